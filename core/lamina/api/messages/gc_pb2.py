"""Generated from lamina/services/gc/v1/gc.proto by `python -m lamina.api.generate`."""

from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n\x1elamina/services/gc/v1/gc.proto\x12\x15lamina.services.gc.v1"L\n\x0eColle'
    b'ctRequest\x12\x17\n\x07dry_run\x18\x01 \x01(\x08R\x06dryRun\x12!\n\x0ccontent_only\x18\x02 \x01(\x08R\x0bconten'
    b'tOnly"K\n\x0fCollectResponse\x128\n\x07removed\x18\x01 \x03(\x0b2\x1e.lamina.services.gc.v'
    b'1.RemovedR\x07removed"\xc9\x01\n\x07Removed\x12\x12\n\x04kind\x18\x01 \x01(\tR\x04kind\x12\x1c\n\tnamespace\x18'
    b'\x02 \x01(\tR\tnamespace\x12 \n\x0bsnapshotter\x18\x03 \x01(\tR\x0bsnapshotter\x12\x12\n\x04name\x18\x04 \x01(\t'
    b'R\x04name\x12\x12\n\x04size\x18\x05 \x01(\x03R\x04size\x12\x16\n\x06reason\x18\x06 \x01(\tR\x06reason\x12\x14\n\x05error\x18\x07 \x01('
    b'\tR\x05error\x12\x14\n\x05young\x18\x08 \x01(\x08R\x05young"\x0e\n\x0cUsageRequest"\xd6\x01\n\nImageUsage\x12\x1c\n'
    b'\tnamespace\x18\x01 \x01(\tR\tnamespace\x12\x12\n\x04name\x18\x02 \x01(\tR\x04name\x12\x1f\n\x0bown_content\x18\x03'
    b' \x01(\x03R\nownContent\x12%\n\x0eshared_content\x18\x04 \x01(\x03R\rsharedContent\x12#\n\rown_s'
    b'napshots\x18\x05 \x01(\x03R\x0cownSnapshots\x12)\n\x10shared_snapshots\x18\x06 \x01(\x03R\x0fsharedSn'
    b'apshots"\xc0\x01\n\rUsageResponse\x129\n\x06images\x18\x01 \x03(\x0b2!.lamina.services.gc.v'
    b'1.ImageUsageR\x06images\x12\x18\n\x07content\x18\x02 \x01(\x03R\x07content\x12\x1c\n\tsnapshots\x18\x03 \x01('
    b'\x03R\tsnapshots\x12 \n\x0breclaimable\x18\x04 \x01(\x03R\x0breclaimable\x12\x1a\n\x08failures\x18\x05 \x03(\t'
    b'R\x08failures">\n\nWhyRequest\x12\x12\n\x04name\x18\x01 \x01(\tR\x04name\x12\x1c\n\tnamespace\x18\x02 \x01(\tR'
    b'\tnamespace"C\n\x0bWhyResponse\x124\n\x06chains\x18\x01 \x03(\x0b2\x1c.lamina.services.gc.v'
    b'1.ChainR\x06chains":\n\x05Chain\x121\n\x05steps\x18\x01 \x03(\x0b2\x1b.lamina.services.gc.v1.'
    b'StepR\x05steps"\x80\x01\n\x04Step\x12\x12\n\x04kind\x18\x01 \x01(\tR\x04kind\x12\x1c\n\tnamespace\x18\x02 \x01(\tR\tnam'
    b'espace\x12 \n\x0bsnapshotter\x18\x03 \x01(\tR\x0bsnapshotter\x12\x12\n\x04name\x18\x04 \x01(\tR\x04name\x12\x10\n\x03'
    b'how\x18\x05 \x01(\tR\x03how2\x89\x02\n\tCollector\x12Z\n\x07Collect\x12%.lamina.services.gc.v1.'
    b'CollectRequest\x1a&.lamina.services.gc.v1.CollectResponse0\x01\x12R\n\x05Usag'
    b'e\x12#.lamina.services.gc.v1.UsageRequest\x1a$.lamina.services.gc.v1.U'
    b'sageResponse\x12L\n\x03Why\x12!.lamina.services.gc.v1.WhyRequest\x1a".lamina.'
    b'services.gc.v1.WhyResponseb\x06proto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
