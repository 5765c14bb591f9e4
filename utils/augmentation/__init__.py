"""Strong changes of images, whole batches at a time on their device; which changes, each sample has drawn before."""
