# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database that bbolt 1.5.0 itself wrote: 40 images of k8s.io, on several pages, and one of another namespace."""

from __future__ import annotations

import base64
import zlib

PACKED = (
    "eNrt3L1OFFEYBuBh+VVQtzSWxlip7Mz4SyiNsbDRWFiZYLISVMQshEhr4QV4AV6AF6CtwdZYG2oLG6MXYCHLzq7OSVYxJvohz5PsHl5YNienOP"
    "DOzkyW9YxV46etmU+N7hfNXp7J6g5V4+FqbFTj3c+nPr7ZbL/KAAAAgHBGftH/R5PXN5LX93//yNWN68fOXTtpRQEAACCefp9vWgoAAAD4b40m"
    "xwEAAACA/8/YoP/3rvTvns//evtxYvvRqfKVkXp+m+QbjXp+n+Tbo/X8Icn3xur5S5LXx+v5a5KfTHzPnfbi0upaZ+NM+/HC8qMH7dn7F1fPLK"
    "3MLi0vLLZPt1qtufV82Fo0Blcz9M6H2H7bbH77sbbQWWyv/ckq/2pWechZFSFnVYac1dmQszoXclbnQ87qQshZXQw5q0sRZ5WH3Nvzf7O3AwAM"
    "M76/+n8estPmITttHrLT5iE7bR6y0+YhO20estPmITttEbLTFiGPVxYh9/ai1P8BgFAmBv+JNAf9P0v6/dMkzyT9/lmSjyb9/nmSTyT9/kWSW0"
    "m/f5nk+Yl63kzy1cl6fpfkm1P1vDW16+MHRchOXITsxEXITlyE7MRFyE5chOzEZchOXIbsxGXITlyGPN5Zhtzby5B7exlyby9D7u1lyL29vOS4"
    "FMA+NlmNI9WdAFpZrwv3rwu4XOX+eQK3qjyxu78yO+fb7+Yz+T/p3QAAAMDPTVVj/4hv97l/xLc77vTv1UkLBQAAAHvYgSH9/3g25Hz45ZU7G/"
    "/4bnoAAADA7zk4pP/XP/8/YKEAAABgD5se9P/RQf9v/dD/u/l81rsfQLN67VzWu29A92e9y/SnknftniRwMPneeruzurTycMSaAwAAwN82M+j/"
    "9c//G9W4nk9bJAAAANjjDlVjc6fxZ9VzVp0NAAAAAAAAAAAAAAAARPAN7ezvRA=="
)


def database() -> bytes:
    return zlib.decompress(base64.b64decode(PACKED))
