# SPDX-License-Identifier: MIT
"""An archive with one of everything for fuzz_archive: archive_seed.py FILE"""

import io
import sys
import tarfile

with tarfile.open(sys.argv[1], "w", format=tarfile.GNU_FORMAT) as archive:
    for name, kind, link in [
        ("a", tarfile.DIRTYPE, ""), ("a/b", tarfile.REGTYPE, ""), ("c", tarfile.SYMTYPE, "a"), ("c/d", tarfile.REGTYPE, ""),
        ("e", tarfile.LNKTYPE, "a/b"), ("a/.wh.b", tarfile.REGTYPE, ""), ("a/.wh..wh..opq", tarfile.REGTYPE, ""),
        ("n", tarfile.CHRTYPE, ""), ("f/g/h", tarfile.REGTYPE, ""), ("f", tarfile.REGTYPE, ""), ("x" * 150, tarfile.REGTYPE, ""),
    ]:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.devmajor, info.devminor = kind, link, 1, 3
        info.size = 10 if kind == tarfile.REGTYPE else 0
        archive.addfile(info, io.BytesIO(b"0123456789"))
    archive.format = tarfile.PAX_FORMAT
    info = tarfile.TarInfo("p\u00fc")
    info.pax_headers = {"uid": "123456789", "GNU.sparse.major": "1"}
    archive.addfile(info)
