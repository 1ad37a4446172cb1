import hashlib, json, sys, zlib
for line in open(sys.argv[1], "rb").read().split(b"\n"):
    if line and "%08x" % zlib.crc32(line[18:]) != json.loads(line)["crc"]:
        sys.exit("the checksum of a line is wrong: %r" % line[:80])
if hashlib.sha256(open(sys.argv[2], "rb").read()).hexdigest()[:16] != sys.argv[3]:
    sys.exit("the revision of the document is another one")
