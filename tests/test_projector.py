"""The Projector's folder: what TensorBoard itself reads of it."""

import numpy as np
import pytest

import kerasintrospect as ki


def test_a_site_is_shown_with_texts_and_labels(tmp_path):
    from test_storing import LABELS, ROWS, run

    (tmp_path / "store").mkdir()
    run(tmp_path / "store")
    store = ki.load_store(tmp_path / "store")
    rows = [5, 0, 299]
    place = store.to_projector(tmp_path / "logs", store.sites, rows)
    for number, expected in enumerate(ROWS):
        found = np.loadtxt(place / f"tensors{number}.tsv", delimiter="\t", ndmin=2)
        np.testing.assert_allclose(found, expected[rows], rtol=1e-6)
    head, *lines = (place / "metadata.tsv").read_text().split("\n")[:-1]
    assert head.split("\t") == ["document", "start", "end", "text", "label"]
    assert lines[1].split("\t") == ["0", "0", "3", "w0?", str({0: "no", 1: "yes", -1: None}[LABELS[0]])]
    assert len(lines) == 3
    config = pytest.importorskip("tensorboard.plugins.projector.projector_config_pb2").ProjectorConfig()
    pytest.importorskip("google.protobuf.text_format").Parse((place / "projector_config.pbtxt").read_text(), config)
    assert [(one.tensor_name, list(one.tensor_shape)) for one in config.embeddings] == [("a", [3, 16]), ("b.c[0]", [3, 3])]
    assert all((place / name).exists() for one in config.embeddings for name in (one.tensor_path, one.metadata_path))


def test_a_text_with_tabs_and_lines_is_one_cell(tmp_path):
    from kerasintrospect.projector import write_projector

    write_projector(tmp_path, {"x": np.zeros((3, 2))}, {"text": ["a\tb\nc", "", "\u2028d"]})
    assert (tmp_path / "metadata.tsv").read_text() == "a b c\n(blank)\nd\n"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    from kerasintrospect.errors import InputError, InputTypeError
    from kerasintrospect.projector import write_projector

    (tmp_path / "file").touch()
    for folder, why in ((tmp_path / "file" / "logs", "NotADirectory"), (tmp_path / "file", "FileExists")):
        with pytest.raises(InputError, match=f"`folder` has to name a place that can be written. Received: folder=.*{why}"):
            write_projector(folder, {"x": np.zeros((1, 2))}, {"text": ["a"]})
    with pytest.raises(InputTypeError, match="Received: folder=None"):
        write_projector(None, {"x": np.zeros((1, 2))}, {"text": ["a"]})
