"""The database of a host: one LMDB environment, whose owners share its durable commits.

Every owner has a table, with a version of its own::

    store = Store.open("/var/lib/example")
    table = store.table("notes", version=1)
    table.write(lambda transaction: transaction.put(b"key", b"value"))   # durable when it returns
    assert table.get(b"key") == b"value"
    store.close()

A transaction can cover several tables of a store (`Table.within`)::

    table.write(lambda transaction: (transaction.put(b"a", b"1"), other.within(transaction).put(b"b", b"2")))

Snapshots, whose entries the store held before there were tables, have keys of their own
(`lamina.snapshots.storage.MetaStore`).
"""

from lamina.store._format import shorten
from lamina.store._full_disk import remove_on_full_disk
from lamina.store._store import Store
from lamina.store._table import KEY_LIMIT, Table, TableTransaction

__all__ = ["KEY_LIMIT", "Store", "Table", "TableTransaction", "remove_on_full_disk", "shorten"]
