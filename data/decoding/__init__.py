"""From files to arrays: images to RGB, masks to class ids, turned as EXIF says."""
