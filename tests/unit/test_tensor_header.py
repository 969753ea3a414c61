"""A header says what the library finds, and what is none is refused."""

import numpy as np
import pytest
from isthmus import tensor_header
from safetensors.numpy import save_file


def test_a_header_says_where_each_tensor_is(tmp_path):
    arrays = {"a": np.arange(6, dtype=np.int32).reshape(2, 3), "b": np.array([7, 8], np.int64)}
    path = tmp_path / "x.safetensors"
    save_file(arrays, path, {"format": "np"})
    header, begin = tensor_header.read(path)
    content = path.read_bytes()
    assert header.keys() == arrays.keys()
    for name, array in arrays.items():
        first, last = header[name]["data_offsets"]
        assert content[begin + first : begin + last] == array.tobytes()
        assert tuple(header[name]["shape"]) == array.shape


@pytest.mark.parametrize(
    "content", [b"", b"\x01", b"\xff" * 20, b"\x04" + b"\0" * 7 + b"{ a}", b"\x02" + b"\0" * 7 + b"[]"]
)
def test_what_is_no_header_is_refused(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        tensor_header.read(tmp_path / "x")
