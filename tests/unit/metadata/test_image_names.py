"""Names of images are created, found, changed and deleted as containerd's image store does."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest

from lamina.content import Descriptor
from lamina.errdefs import AlreadyExists, DataLoss, FilterSyntaxError, InvalidArgument, NotFound
from lamina.images import Image, ImageStore
from lamina.metadata import NAME_LIMIT, Metadata
from lamina.store import Store

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def image(name: str, number: int = 1, **labels: str) -> Image:
    return Image(name, Descriptor(MANIFEST, digest(number), 7, {"a": "1"}), labels)


def names(images: ImageStore, *filters: str) -> list[str]:
    return [one.name for one in images.list(*filters)]


def test_a_created_image_has_the_times_of_its_creation_whatever_it_said(images: ImageStore) -> None:
    before = time.time_ns()
    wanted = image("debian:12", a="b")
    made = images.create(attrs.evolve(wanted, created=1, updated=2))
    assert before <= made.created == made.updated <= time.time_ns()
    assert (
        images.get("debian:12")
        == made
        == attrs.evolve(image("debian:12", a="b"), created=made.created, updated=made.updated)
    )


def test_images_outlive_the_store(tmp_path: Path) -> None:
    for _ in range(2):
        store = Store.open(str(tmp_path))
        images = Metadata.open(store).images("default")
        if not names(images):
            made = images.create(image("ünïcode \0 name", **{"key with spaces": "ä"}))
        assert list(images.list()) == [made]
        store.close()


def test_a_name_is_given_once(images: ImageStore) -> None:
    images.create(image("a"))
    with pytest.raises(AlreadyExists, match="image 'a' already exists"):
        images.create(image("a", 2))
    assert images.get("a").target.digest == digest(1)


def test_an_image_that_does_not_exist_is_not_found(images: ImageStore) -> None:
    for call in (images.get, images.delete, lambda name: images.update(image(name))):
        with pytest.raises(NotFound, match="image 'a' does not exist"):
            call("a")


def test_a_deleted_name_is_free(images: ImageStore) -> None:
    images.create(image("a"))
    images.delete("a")
    assert names(images) == []
    images.create(image("a", 2))


def test_one_of_many_creators_of_a_name_wins(images: ImageStore) -> None:
    made: list[str] = []

    def create(number: int) -> None:
        with contextlib.suppress(AlreadyExists):
            made.append(images.create(image("a", number)).target.digest)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [images.get("a").target.digest]


def test_a_tag_has_the_target_and_the_labels_of_its_image(images: ImageStore) -> None:
    images.create(image("a", 1, key="value"))
    tagged = images.tag("a", "b")
    assert (
        tagged
        == images.get("b")
        == attrs.evolve(image("b", 1, key="value"), created=tagged.created, updated=tagged.updated)
    )


def test_a_tag_replaces_another_image_only_by_force(images: ImageStore) -> None:
    images.create(image("a", 1, key="value"))
    older = images.create(image("b", 2, other="label"))
    with pytest.raises(AlreadyExists, match=f"image 'b' already exists, for {digest(2)}"):
        images.tag("a", "b")
    assert images.get("b") == older
    forced = images.tag("a", "b", force=True)
    assert (forced.target.digest, forced.labels, forced.created) == (digest(1), {"key": "value"}, older.created)


def test_a_tag_that_is_there_already_is_left_alone(images: ImageStore) -> None:
    images.create(image("a", 1, key="value"))
    older = images.create(image("b", 1))
    assert images.tag("a", "b") == images.get("b") == older
    assert images.tag("a", "a") == images.get("a")


def test_a_name_with_another_digest_is_not_given(images: ImageStore) -> None:
    images.create(image("a", 1))
    with pytest.raises(InvalidArgument, match=f"the image has the digest {digest(1)}: give a tag"):
        images.tag("a", f"b@{digest(2)}")
    assert images.tag("a", f"b@{digest(1)}").target.digest == digest(1)


def test_a_name_with_a_digest_never_has_another_target_while_the_image_moves(images: ImageStore) -> None:
    images.create(image("a", 1))
    numbers = iter(range(2, 1 << 30))

    def move() -> None:
        images.update(image("a", next(numbers)))

    def tag() -> None:
        name = f"b@{images.get('a').target.digest}"
        with contextlib.suppress(InvalidArgument):
            images.tag("a", name)
            tagged.append(name)

    tagged: list[str] = []
    _repeat([move, tag], until=lambda: tagged)
    assert all(one.name == f"b@{one.target.digest}" for one in images.list() if one.name != "a")


def test_a_tag_of_nothing_is_not_found(images: ImageStore) -> None:
    with pytest.raises(NotFound, match="image 'a' does not exist"):
        images.tag("a", "b", force=True)
    assert names(images) == []


def _repeat(operations: list[Callable[[], object]], until: Callable[[], object] = lambda: True) -> None:
    """Run each operation in a thread of its own, for a while and `until` it is enough; raise an error of one."""
    end = time.monotonic() + 0.5

    def run(operation: Callable[[], object]) -> None:
        while time.monotonic() < end or not until():
            operation()

    with ThreadPoolExecutor(len(operations)) as pool:
        for call in [pool.submit(run, operation) for operation in operations]:
            call.result()


def test_a_name_can_be_put_while_another_thread_deletes_it(images: ImageStore) -> None:
    """It is created or changed, whichever it takes."""

    def delete() -> None:
        with contextlib.suppress(NotFound):
            images.delete("b")

    images.create(image("a"))
    _repeat([lambda: images.put(image("b")), lambda: images.tag("a", "b", force=True), delete])


def test_a_tag_never_has_a_target_that_its_image_did_not_have_then(images: ImageStore) -> None:
    """Another thread moves the image; what the tag stands for afterwards is never older than before."""
    images.create(image("a", 1))
    numbers = iter(range(2, 1 << 30))
    seen = [0]

    def move() -> None:
        images.update(image("a", next(numbers)))

    def tag() -> None:
        before = int(images.get("a").target.digest[7:], 16)
        tagged = int(images.tag("a", "b", force=True).target.digest[7:], 16)
        assert before <= tagged
        seen.append(tagged)

    _repeat([move, tag])
    assert seen == sorted(seen)


def test_images_are_listed_in_byte_order_of_their_names(images: ImageStore) -> None:
    for name in ("b", "a", "ä", "B", "a:1", "a/b"):
        images.create(image(name))
    assert names(images) == ["B", "a", "a/b", "a:1", "b", "ä"]


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ("name==a", ["a"]),
        ("name~=/^[ab]$/", ["a", "b"]),
        (f"target.digest=={digest(2)}", ["b"]),
        (f'target.mediatype=="{MANIFEST}"', ["a", "b"]),
        ('labels."x.y"==1', ["a"]),
        ("labels.z", ["b"]),
        ("annotations.a==1", ["a", "b"]),
        ("size", []),
    ],
)
def test_filters_know_the_fields_of_images(images: ImageStore, filter_: str, found: list[str]) -> None:
    images.create(image("a", 1, **{"x.y": "1"}))
    images.create(image("b", 2, z="2"))
    assert names(images, filter_) == found


def test_a_wrong_filter_is_refused_at_once(images: ImageStore) -> None:
    with pytest.raises(FilterSyntaxError):
        images.list("name==")


def test_an_update_without_field_paths_replaces_target_and_labels(images: ImageStore) -> None:
    made = images.create(image("a", 1, old="1"))
    changed = images.update(image("a", 2, new="2"))
    assert changed.updated > made.updated
    assert changed == attrs.evolve(image("a", 2, new="2"), created=made.created, updated=changed.updated)
    assert images.get("a") == changed


def test_an_update_changes_only_what_its_field_paths_name(images: ImageStore) -> None:
    images.create(image("a", 1, keep="1", change="1", drop="1"))
    new = Image("a", Descriptor(MANIFEST, digest(2), 9, {"a": "2", "b": "3"}), {"change": "2", "other": "x"})
    changed = images.update(new, ("labels.change", "labels.drop", "annotations.b"))
    assert changed.labels == {"keep": "1", "change": "2"}
    assert (changed.target.digest, changed.target.annotations) == (digest(1), {"a": "1", "b": "3"})
    assert images.update(image("a"), ("annotations.b",)).target.annotations == {"a": "1"}
    assert images.update(new, ("annotations",)).target == attrs.evolve(
        changed.target, annotations={"a": "2", "b": "3"}
    )
    assert images.update(new, ("labels",)).labels == new.labels
    assert images.update(new, ("target",)).target == new.target


@pytest.mark.parametrize("field", ["labels", "annotations"])
def test_an_update_of_many_fields_takes_little_processor_time(field: str) -> None:
    """It is made in a transaction, for which all other writers of the host wait."""
    program = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (20, 20))\n"
        "from lamina.content import Descriptor\n"
        "from lamina.images import Image\n"
        "from lamina.metadata._images import _updated\n"
        "fields = {f'key{number}': 'value' for number in range(100_000)}\n"
        "image = Image('i', Descriptor('t', 'd', 1, annotations=fields), fields)\n"
        f"assert _updated(image, image, tuple(f'{field}.{{key}}' for key in fields)) == image\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("path", ["name", "created", "target.digest", "labels.", "annotations.", ""])
def test_other_field_paths_are_refused(images: ImageStore, path: str) -> None:
    made = images.create(image("a"))
    with pytest.raises(InvalidArgument, match="cannot update"):
        images.update(image("a", 2), (path,))
    assert images.get("a") == made


@pytest.mark.parametrize(
    "wrong",
    [
        image(""),
        image("\udc80"),
        image("x" * (NAME_LIMIT + 1)),
        image("a", a="x" * 4096),
        Image("a", Descriptor("", digest(1), 7)),
        Image("a", Descriptor("\udc80", digest(1), 7)),
        Image("a", Descriptor(MANIFEST, digest(1), 0)),
        Image("a", Descriptor(MANIFEST, "sha256:x", 7)),
        Image("a", Descriptor(MANIFEST, digest(1), 7, {"a": "\udc80"})),
    ],
)
def test_a_malformed_image_is_refused(images: ImageStore, wrong: Image) -> None:
    images.create(image("a"))
    for call in (images.create, images.update):
        with pytest.raises(InvalidArgument):
            call(wrong)


def test_a_name_can_be_as_long_as_the_limit_says(metadata: Metadata) -> None:
    images = metadata.images("n" * 76)
    images.create(image("x" * NAME_LIMIT))
    assert names(images) == ["x" * NAME_LIMIT]


def test_a_label_without_a_value_is_dropped(images: ImageStore) -> None:
    assert images.create(image("a", b="", c="1")).labels == {"c": "1"}


def test_namespaces_do_not_see_each_others_images(metadata: Metadata) -> None:
    namespaces = ("a", "a-b", "ab", "b")
    for namespace in namespaces:
        metadata.images(namespace).create(image("x"))
    metadata.images("b").create(image("y"))
    metadata.images("a").delete("x")
    found = [names(metadata.images(namespace)) for namespace in namespaces]
    assert found == [[], ["x"], ["x"], ["x", "y"]]
    assert metadata.namespaces() == ["a", "a-b", "ab", "b"], "snapshots may be left in the one that is empty"


@pytest.mark.parametrize("namespace", ["", "a" * 77, "-a", "a-", "a..b", "a b", "a/b", "ä", "a\n", "a\0"])
def test_a_malformed_namespace_is_refused(metadata: Metadata, namespace: str) -> None:
    with pytest.raises(InvalidArgument, match="namespace"):
        metadata.images(namespace)


@pytest.mark.parametrize("namespace", ["a", "k8s.io", "A-1_b.c", "a" * 76])
def test_a_namespace_has_letters_and_digits_with_single_separators(metadata: Metadata, namespace: str) -> None:
    assert names(metadata.images(namespace)) == []


def test_a_record_that_cannot_be_read_is_reported(store: Store, images: ImageStore) -> None:
    images.create(image("a"))
    store.table("images", 1).write(lambda transaction: transaction.put(b"default\0a", b"{}"))
    with pytest.raises(DataLoss, match="image 'a' cannot be read"):
        images.get("a")
