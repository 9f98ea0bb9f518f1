"""Manifests of every shape, and the images and masks that they name."""

import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.learning.manifest import ManifestRow, load_image, mask_of, read_manifest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def table(root, text, encoding="utf-8"):
    path = root.parent / "manifest.csv"
    path.write_bytes(text.encode(encoding))
    return read_manifest(path, root)


def test_only_the_image_is_required(root):
    (row,) = table(root, "image\na/b.png\n")
    assert row == ManifestRow(2, "a/b.png", (root / "a/b.png").resolve())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_delimiters_and_line_ends(root, encoding, delimiter, end):
    lines = [
        ["image", "Fold", "pathology", "note"],
        ["Bilder/Böse 1.png", "3", "Malignant", "x"],
        [],
        ["b.png", "", "", ""],
    ]
    rows = table(root, end.join(delimiter.join(line) for line in lines), encoding)
    assert [(row.name, row.fold, row.pathology, dict(row.other)) for row in rows] == [
        ("Bilder/Böse 1.png", 3, "malignant", {"note": "x"}),
        ("b.png", None, None, {}),
    ]


def test_quoted_cells_and_short_and_long_rows(root):
    rows = table(root, 'image,device,patient\n"a, b.png","x\ny",p1\nc.png\nd.png,e,f,g,h\n')
    assert [(row.name, row.device, row.patient) for row in rows] == [
        ("a, b.png", "x\ny", "p1"),
        ("c.png", None, None),
        ("d.png", "e", "f"),
    ]


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "a/../../b.png", "..\\b.png", "x/\0.png"])
@pytest.mark.parametrize("column", ["image", "mask"])
def test_paths_outside_the_root_are_refused_and_the_others_kept(root, path, column):
    cells = {"image": "ok.png", "mask": "", column: path}
    bad, good = table(root, f"image,mask\n{cells['image']},{cells['mask']}\nfine.png,\n".replace("\0", "\x00"))
    assert bad.problem and good.problem is None
    for read in (load_image, mask_of):
        with pytest.raises(InputError):
            read(bad)


def test_a_link_out_of_the_root_is_refused(root, tmp_path):
    (root / "link").symlink_to(tmp_path)
    (row,) = table(root, "image\nlink/manifest.csv\n")
    assert "outside" in row.problem


@pytest.mark.parametrize(
    ("column", "cell"),
    [("fold", "two"), ("pathology", "cyst"), ("pixel_mm", "wide"), ("pixel_mm", "-1"), ("pixel_mm", "inf")],
)
def test_a_cell_that_makes_no_sense_is_a_problem_of_its_row(root, column, cell):
    bad, good = table(root, f"image,{column}\na.png,{cell}\nb.png,\n")
    assert "a.png" in bad.problem
    assert good.problem is None


def test_pixel_sizes(root):
    rows = table(root, "image,pixel_mm,row_mm,column_mm\na.png,0.1,,\nb.png,0.1,0.2,0.3\nc.png,,0.2,\n")
    assert [row.spacing_mm for row in rows] == [(0.1, 0.1), (0.2, 0.3), None]


@pytest.mark.parametrize(
    "content", [b"", b"picture\na.png\n", b"image,image\na,b\n", b"image\n", b"\xff\xd8\xff\xe0\x00", b"\x80image"]
)
def test_a_table_that_is_none_is_refused_in_words(root, content):
    path = root / "m.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"m\.csv.*[.]$"):
        read_manifest(path, root)
    with pytest.raises(InputError):
        read_manifest(root / "none.csv", root)
    with pytest.raises(InputError):
        read_manifest(root, root)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_a_manifest_or_an_input_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(("image,mask,fold\n" + text).encode("utf-8", "surrogatepass"))
    try:
        rows = read_manifest(path, path.parent)
    except InputError:
        return
    assert all(row.problem or row.image.is_relative_to(path.parent.resolve()) for row in rows)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA"])
def test_pictures_of_any_8_bit_mode_become_grey(root, mode):
    grey = np.array([[0, 255], [255, 0], [0, 0]], np.uint8)
    Image.fromarray(grey).convert(mode).save(root / "a.png")
    (row,) = table(root, "image\na.png\n")
    pixels = load_image(row)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, grey)


def test_pictures_that_cannot_be_used_are_refused_in_words(root):
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(root / "deep.png")
    (root / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n garbage")
    (root / "empty.png").write_bytes(b"")
    (root / "folder.png").mkdir()
    for row in table(root, "image\ndeep.png\nbroken.png\nempty.png\nmissing.png\nfolder.png\n"):
        with pytest.raises(InputError, match=rf"{row.name}.*[.]$"):
            load_image(row)


def test_masks_are_label_images(root):
    labels = np.zeros((5, 4), np.uint8)
    labels[1, 1], labels[2, 2], labels[3, 3] = 1, 2, 101
    Image.fromarray(labels).save(root / "m.png")
    row, bare = table(root, "image,mask\na.png,m.png\nb.png,\n")
    assert np.array_equal(mask_of(row, (5, 4)), labels)
    assert mask_of(bare) is None
    with pytest.raises(InputError, match="4 x 5"):
        mask_of(row, (4, 5))


@pytest.mark.parametrize(
    "wrong", [np.full((3, 3), 255, np.uint8), np.zeros((3, 3, 3), np.uint8), np.zeros((3, 3), np.uint16)]
)
def test_a_mask_that_is_no_label_image_is_refused(root, wrong):
    Image.fromarray(wrong).save(root / "m.png")
    (row,) = table(root, "image,mask\na.png,m.png\n")
    with pytest.raises(InputError, match=r"m\.png"):
        mask_of(row)


def test_the_real_manifest(data_root):
    rows = read_manifest(data_root / "manifest.csv", data_root)
    assert len(rows) > 2000
    assert not [row.problem for row in rows if row.problem]
    assert {row.fold for row in rows} == {1, 2, 3, 4}
    assert {row.spacing_mm is not None for row in rows if row.dataset == "breast"} == {True}
    for row in rows[::300]:
        pixels = load_image(row)
        assert pixels.shape == (int(row.other["height"]), int(row.other["width"]))
        labels = mask_of(row, pixels.shape)
        assert len([n for n in np.unique(labels) if 0 < n <= 100]) == int(row.other["lesions"])
