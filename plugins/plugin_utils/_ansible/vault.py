# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""Files on the controller that may be encrypted by ansible-vault."""

from __future__ import annotations

from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import is_encrypted


def text_of(loader: DataLoader, path: str, errors: str = "replace") -> str:
    """The text of a file; of an encrypted one what it holds, by the secrets of this run.

    C(errors) is what to do about bytes that are no text, as for C(bytes.decode).
    """
    with open(path, "rb") as stream:
        content = stream.read()
    return str(loader.get_text_file_contents(path)) if is_encrypted(content) else content.decode(errors=errors)
