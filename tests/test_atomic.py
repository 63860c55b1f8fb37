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


def test_a_directory_appears_atomically_and_leftovers_do_not_matter(tmp_path):
    (tmp_path / ".step").mkdir()
    (tmp_path / ".step" / "half").write_text("")
    with atomic.creating_directory(tmp_path / "step") as aside:
        (aside / "one").write_text("")
        assert not (tmp_path / "step").exists()
    assert [path.name for path in (tmp_path / "step").iterdir()] == ["one"]
    with pytest.raises(FileExistsError), atomic.creating_directory(tmp_path / "step"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["step"]


def test_an_error_names_the_file_and_leaves_nothing(tmp_path):
    with pytest.raises(OSError) as caught, atomic.replacing(tmp_path / "file") as aside:
        aside.write_bytes(b"half")
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(tmp_path / "file") and not list(tmp_path.iterdir())
