"""Sources: folders with links, zips that are hostile or damaged."""

import contextlib
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.preparing.archives import FolderSource, ZipSource, check_space, open_source
from data.preparing.source_files import tiles_of
from utils.errors import DataError, OptionError, UserError


def make_zip(path: Path, entries: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] | None = None) -> Path:
    """A zip; `change` alters each entry's record in the directory at the zip's end."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        for info in archive.filelist if change else ():
            change(info)
    return path


def unpack(path: Path, folder: Path) -> dict[str, bytes]:
    source = open_source(path, "--source")
    source.place([(file, folder / file.name) for file in source.files], copy=False)
    return {target.name: target.read_bytes() for target in folder.iterdir()}


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_zip_is_unpacked(tmp_path, out):
    content = bytes(range(256)) * 9000  # more than one chunk
    path = make_zip(tmp_path / "a.zip", {"set/deep/x.tif": content, "set/deep/": b"", "__MACOSX/._x.tif": b"junk"})
    assert unpack(path, out) == {"x.tif": content}


@pytest.mark.parametrize(
    "name", ["../x.tif", "a/../../x.tif", "/x.tif", "\\x.tif", "..\\x.tif", "a\\..\\..\\x.tif", "C:\\x.tif", "c:/x.tif"]
)
def test_entry_that_leaves_the_folder_is_refused(tmp_path, name):
    path = make_zip(tmp_path / "a.zip", {"good.tif": b"1", name: b"2"})
    with pytest.raises(DataError, match="leads out of the folder"):
        open_source(path, "--source")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_link_or_device_is_refused(tmp_path, kind):
    def change(info):
        info.external_attr = (kind | 0o777) << 16

    with pytest.raises(DataError, match="link or a device"):
        open_source(make_zip(tmp_path / "a.zip", {"x.tif": b"/etc/passwd"}, change), "--source")


def test_zip_that_would_fill_the_disk_is_refused(tmp_path, out):
    def change(info):
        info.file_size = 10**15

    path = make_zip(tmp_path / "bomb.zip", {"x.tif": b"0" * 1000}, change)
    with pytest.raises(DataError, match=r"needs 1000000\.0 GB"):
        unpack(path, out)
    assert not list(out.iterdir())


@pytest.mark.parametrize("declared", [0, 10, 999, 1001, 5000])
def test_zip_must_unpack_to_its_declared_size(tmp_path, out, declared):
    def change(info):
        info.file_size = declared

    path = make_zip(tmp_path / "liar.zip", {"x.tif": b"0" * 1000}, change)
    with pytest.raises(DataError, match=r"liar\.zip"):
        unpack(path, out)
    assert all(target.stat().st_size <= declared for target in out.iterdir())


def test_encrypted_zip_is_refused(tmp_path, out):
    def change(info):
        info.flag_bits |= 1

    with pytest.raises(DataError, match="encrypted"):
        unpack(make_zip(tmp_path / "a.zip", {"x.tif": b"1"}, change), out)
    assert not list(out.iterdir())


def test_truncated_zip_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"x.tif": b"1" * 1000})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="damaged zip"):
        open_source(path, "--source")


@pytest.mark.parametrize("content", [None, b"no zip"])
def test_neither_folder_nor_zip(tmp_path, content):
    path = tmp_path / "a.rar"
    if content:
        path.write_bytes(content)
    with pytest.raises(OptionError, match=r"--source .*a\.rar (is neither|does not exist)"):
        open_source(path, "--source")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_zip_unpacks_or_is_refused(tmp_path, data):
    path = make_zip(tmp_path / "a.zip", {"a/x.tif": b"0123456789" * 30, "a/y.tif": bytes(100)})
    content = bytearray(path.read_bytes())
    for position, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=4)
    ):
        content[position] = value
    path.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    folder = tmp_path / "unpacked"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with contextlib.suppress(UserError):
        unpack(path, folder)
    assert all(target.stat().st_size <= 300 for target in folder.iterdir())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "unpacked"]


def test_folder_is_linked_relatively_and_copied_on_demand(tmp_path, out):
    (tmp_path / "source" / "deep").mkdir(parents=True)
    (tmp_path / "source" / "deep" / "x.tif").write_bytes(b"1")
    source = open_source(tmp_path / "source", "--source")
    source.place([(source.files[0], out / "linked.tif")], copy=False)
    source.place([(source.files[0], out / "copied.tif")], copy=True)
    assert (out / "linked.tif").readlink() == Path("../source/deep/x.tif")
    assert not (out / "copied.tif").is_symlink()
    assert (out / "linked.tif").read_bytes() == (out / "copied.tif").read_bytes() == b"1"


def test_folder_behind_links_is_read_once(tmp_path):
    store, source = tmp_path / "store", tmp_path / "source"
    store.mkdir()
    source.mkdir()
    (store / "x.tif").write_bytes(b"1")
    (source / ".hidden.tif").write_bytes(b"1")
    (source / "images").symlink_to(store)
    (store / "again").symlink_to(source)
    assert [file.path for file in FolderSource(source).files] == ["images/x.tif"]


def test_broken_link_is_named(tmp_path):
    (tmp_path / "x.tif").symlink_to("nowhere.tif")
    with pytest.raises(DataError, match=r"x\.tif is a link that leads nowhere; mend it"):
        tiles_of(FolderSource(tmp_path), (".tif",))


def test_what_is_no_file_is_named_where_it_is_wanted_and_passed_over_elsewhere(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"a")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe.fifo")
    (tmp_path / "up").symlink_to(tmp_path)
    source = FolderSource(tmp_path)
    assert list(tiles_of(source, (".tif",))) == ["a"]
    with pytest.raises(DataError, match=r"pipe\.fifo is a pipe, a socket or a device"):
        tiles_of(source, (".fifo",))
    with pytest.raises(DataError, match="loop is a link that leads nowhere"):
        tiles_of(source, ("loop",))


def test_space_is_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 50, 50))
    check_space(50, tmp_path, "x")
    with pytest.raises(DataError, match="x needs"):
        check_space(51, tmp_path, "x")


def test_backslashes_part_folders(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"set\\Images\\x.tif": b"1"})
    assert ZipSource(path).files[0].name == "x.tif"
