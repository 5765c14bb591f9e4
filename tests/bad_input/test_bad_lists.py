"""Lists of tiles that are missing, empty, repeated, unsafe or unreadable, and lists as people write them."""

import pytest

from tests.conftest import PUBLISHED, write_list

BAD_LISTS = {
    "missing": (None, 2, "no list of names"),
    "empty": (b"", 1, "holds no names"),
    "blank": (b" \r\n\t\n\n", 1, "holds no names"),
    "byte-order mark alone": (b"\xef\xbb\xbf", 1, "holds no names"),
    "duplicates": (b"tile0\ntile1\ntile0\n", 1, "line 3: 'tile0' stands on line 1"),
    "duplicate by its ending": (b"tile0\ntile0.png\n", 1, "line 2"),
    "parent folder": (b"tile0\n../tile1\n", 1, "line 2: '../tile1' leads out"),
    "parent folder within": (b"a/../../tile1\n", 1, "leads out"),
    "absolute": (b"/etc/passwd\n", 1, "leads out"),
    "drive": (b"C:\\tile1\n", 1, "leads out"),
    "undecodable bytes": (b"tile0\n\xff\xfe\n", 1, "line 2: not UTF-8"),
    "UTF-16": ("tile0\n".encode("utf-16"), 1, "not UTF-8"),
    "null character": (b"ti\0le\n", 1, "line 1: 'ti\\x00le' holds a NUL"),
    "endless line": (b"x" * 5000, 1, "no tile name"),
    "a picture": (b"\x89PNG\r\n\x1a\n\xff\xff", 1, "not UTF-8"),
    "unknown tile": (b"tile0\nnowhere\n", 1, "nowhere.png"),
}


@pytest.mark.parametrize("command", PUBLISHED)
@pytest.mark.parametrize("kind", BAD_LISTS)
def test_list_is_refused(argv, refused, custom_set, command, kind):
    content, code, words = BAD_LISTS[kind]
    path = custom_set.folder / "names.txt"
    if content is not None:
        path.write_bytes(content)
    assert words in refused(code, command, argv(command, custom_set, data_list=path))


@pytest.mark.parametrize("command", PUBLISHED)
def test_folder_in_place_of_a_list_is_refused(argv, refused, custom_set, command):
    options = argv(command, custom_set, data_list=custom_set.folder)
    assert "is a folder" in refused(2, command, options)


@pytest.mark.parametrize(
    "content",
    [
        b"tile0\r\ntile1\r\n",
        b"tile0\rtile1",
        b"\xef\xbb\xbftile0\ntile1\n",
        b"  tile0\t \n\n\ntile1   ",
        b"tile0.png\ntile1.PNG\n",
        b"tile0.tif\ntile1.jpeg\n",
        b"tile0\n",
    ],
    ids=["CRLF", "CR", "byte-order mark", "blanks", "endings", "other endings", "a single name"],
)
def test_list_as_people_write_it_works(argv, accepted, custom_set, content):
    path = custom_set.folder / "names.txt"
    path.write_bytes(content)
    accepted("auto_evaluate", argv("auto_evaluate", custom_set, data_list=path))


def test_name_with_blanks_in_it_works(argv, accepted, custom_set):
    for folder in ("images", "masks"):
        (custom_set.folder / folder / "tile0.png").rename(custom_set.folder / folder / "a tile.png")
    path = write_list(custom_set.folder / "names.txt", ["a tile"])
    accepted("auto_evaluate", argv("auto_evaluate", custom_set, data_list=path))


def test_single_name_trains(argv, accepted, custom_set):
    path = write_list(custom_set.folder / "names.txt", ["tile0"])
    accepted("train_s4gan", argv("train_s4gan", custom_set, data_list=path))
