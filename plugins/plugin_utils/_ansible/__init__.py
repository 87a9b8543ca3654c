# Copyright: (c) 2026, k3a.cluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection: may change at any time.

"""The uses of Ansible's own internals, and no other part of the collection has any.

Seen with ansible-core 2.20 and 2.21:

* C(host_action): C(ActionBase._execute_module), by which modules run, and which all actions call
* C(shipping): C(ActionBase._low_level_execute_command), C(ActionBase._connection), C(constants.DEFAULT_LOCAL_TMP)
* C(secret): C(_play_context.no_log) of a connection, whose effect is proved before it is relied on; C(Display)
* C(progress): C(Display), and that actions are imported by the process that forks the workers
* C(templates): C(_templar) of actions and lookups
* C(lock_keeper): that a task runs in a fork of ansible-playbook; C(Display._final_q), C(context.CLIARGS)
* C(role_tasks): what blocks hand on to their tasks; C(template.trust_as_template)
* C(vault): C(DataLoader.get_text_file_contents)
"""
