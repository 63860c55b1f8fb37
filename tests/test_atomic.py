import pytest

from experiment import atomic


def test_a_file_is_replaced(tmp_path):
    for content in (b"one", b"two"):
        atomic.write_file(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_stays_if_writing_fails(tmp_path):
    atomic.write_file(tmp_path / "file", b"one")
    with pytest.raises(OSError), atomic.replacing(tmp_path / "file") as aside:
        aside.write_bytes(b"half")
        raise OSError
    assert (tmp_path / "file").read_bytes() == b"one"


def test_a_directory_is_replaced_and_leftovers_do_not_matter(tmp_path):
    (tmp_path / ".step").mkdir()
    (tmp_path / ".step" / "half").write_text("")
    for name in ("one", "two"):
        with atomic.replacing_directory(tmp_path / "step") as aside:
            (aside / name).write_text("")
        assert [path.name for path in (tmp_path / "step").iterdir()] == [name]
    assert len(list(tmp_path.iterdir())) == 1
