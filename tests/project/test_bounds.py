"""Every bound has a test that goes one past it; whatever is added to core/limits.py is asked for one.

Whoever adds a constant there, or a field of core/config.py with a least or a greatest value, adds one line here:

- to BOUNDS, its name and the test that goes one past it. That test shows what the constant's docstring states: what
  happens there, what counts it, and that nobody else is harmed. It names the bound: the constant itself, the parameter
  that takes its place (`links_max=2`), or the string by which it is made small (`monkeypatch.setattr(limits, "…", 3)`).
  In tests/project/meters.py it is named beside the figure of /metrics that moves there.
- or to NOT_BOUNDS, with the few words why nothing from outside can be past it: it is a pace, a size, a default.
"""

# ruff: noqa: E501 - a node id stays in one piece: to be found, and to be handed to pytest

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import msgspec
import pytest

from core.config import FIELDS
from tests.project.meters import METERS, UNMETERED

ROOT = Path(__file__).resolve().parents[2]
LIMITS = ROOT / "core" / "limits.py"

BOUNDS = {
    "NODE_NAME_CHARACTERS_MAX": "tests/business/test_organisation.py::test_one_past_each_bound_of_the_tree_is_refused",
    "NODE_DEPTH_MAX": "tests/business/test_organisation.py::test_one_past_each_bound_of_the_tree_is_refused",
    "NODE_CHILDREN_MAX": "tests/business/test_organisation.py::test_one_past_each_bound_of_the_tree_is_refused",
    "DEPARTMENTS_MAX": "tests/business/test_organisation.py::test_one_past_each_bound_of_the_tree_is_refused",
    "CALENDAR_DAYS_MAX": "tests/business/test_organisation.py::test_one_past_each_bound_of_the_tree_is_refused",
    "STORE_PLACES_MAX": "tests/business/test_organisation.py::test_one_place_more_than_fits_is_refused_at_a_store_at_the_group_and_for_one_account",
    "GROUP_PLACES_MAX": "tests/business/test_organisation.py::test_one_place_more_than_fits_is_refused_at_a_store_at_the_group_and_for_one_account",
    "PLACES_PER_ACCOUNT_MAX": "tests/business/test_organisation.py::test_one_place_more_than_fits_is_refused_at_a_store_at_the_group_and_for_one_account",
    "SKILLS_MAX": "tests/business/test_organisation.py::test_a_shift_that_is_over_is_done_and_one_more_than_fits_is_refused",
    "DUTIES_MAX": "tests/business/test_organisation.py::test_a_shift_that_is_over_is_done_and_one_more_than_fits_is_refused",
    "SHIFT_MS_MAX": "tests/business/test_organisation.py::test_a_shift_that_is_over_is_done_and_one_more_than_fits_is_refused",
    "SHIFTS_AHEAD_MAX": "tests/business/test_organisation.py::test_a_shift_that_is_over_is_done_and_one_more_than_fits_is_refused",
    "FACTOR_FAILURES_MAX": "tests/storage/test_factors.py::test_wrong_codes_lock_for_longer_and_longer",
    "FACTOR_LOCKED_S_MAX": "tests/storage/test_factors.py::test_wrong_codes_lock_for_longer_and_longer",
    "STALL_ALARMS_MAX": "tests/intake/test_journal.py::test_of_more_alarms_than_their_ring_holds_the_rest_is_judged_once_it_is_journalled",
    "LOG_LINES_PER_MINUTE_MAX": "tests/project/test_logging.py::test_lines_past_the_bound_are_counted_and_said_later",
    "ALIVE_S_MAX": "tests/project/test_supervisor.py::test_a_part_that_does_not_turn_is_stuck_past_the_bound_and_alive_once_it_turns",
    "READY_KNOWN_S": "tests/api/test_health.py::test_one_look_serves_all_who_ask_within_a_second",
    "READY_S_MAX": "tests/api/test_health.py::test_a_look_that_takes_too_long_is_a_fault_and_is_not_begun_twice",
    "PARTIAL_BYTES_MAX": "tests/intake/test_intake.py::test_an_unfinished_frame_one_byte_past_the_bound_ends_its_link_and_no_other",
    "BAD_FRAMES_MAX": "tests/intake/test_intake.py::test_endless_garbage_ends_the_link_and_one_bad_frame_does_not",
    "LINKS_MAX": "tests/intake/test_intake.py::test_a_link_more_than_the_bound_is_refused_and_a_free_place_is_used",
    "ACCEPT_PER_ROUND": "tests/intake/test_intake.py::test_more_than_one_round_accepts_come_in_with_the_next_ones_while_reports_are_answered",
    "TERMINALS_PER_LINK_MAX": "tests/intake/test_intake.py::test_several_terminals_share_a_link_and_one_can_be_put_out",
    "SEND_POOL_CHUNK_BYTES": "tests/intake/test_intake.py::test_what_one_peer_does_not_read_waits_in_one_chunk_and_no_more",
    "SEND_POOL_CHUNKS": "tests/intake/test_intake.py::test_what_one_peer_does_not_read_waits_in_one_chunk_and_no_more",
    "COMMAND_QUEUE_BYTES": "tests/intake/test_intake.py::test_a_full_command_queue_says_so_and_loses_nothing_it_took",
    "FRAMES_BEFORE_LOGIN_MAX": "tests/intake/test_intake.py::test_too_many_logins_without_success_end_the_link",
    "LOGIN_S_MAX": "tests/intake/test_abuse.py::test_who_does_not_log_in_is_shown_out",
    "GIVE_WAY_S_MIN": "tests/intake/test_abuse.py::test_with_all_places_taken_the_oldest_stranger_gives_way_and_no_car_does",
    "STRANGER_FRAMES_MAX": "tests/intake/test_abuse.py::test_a_stranger_is_read_so_many_frames",
    "STRANGER_BYTES_MAX": "tests/intake/test_abuse.py::test_a_stranger_is_read_so_many_bytes",
    "ADDRESSES_HEARD_MAX": "tests/intake/test_abuse.py::test_where_every_place_of_an_address_is_taken_it_is_turned_away",
    "ADDRESS_PROBES_MAX": "tests/intake/test_abuse.py::test_where_every_place_of_an_address_is_taken_it_is_turned_away",
    "LINKS_PER_ADDRESS_MAX": "tests/intake/test_abuse.py::test_an_address_has_so_many_connections_and_another_is_served",
    "STRANGERS_PER_ADDRESS_MAX": "tests/intake/test_abuse.py::test_of_one_address_only_so_many_may_be_strangers",
    "LINKS_PER_ADDRESS_MINUTE_MAX": "tests/intake/test_abuse.py::test_an_address_opens_so_many_connections_a_minute",
    "FRAMES_PER_S_MAX": "tests/intake/test_abuse.py::test_what_a_terminal_sends_too_much_of_waits_and_none_of_it_is_lost",
    "BYTES_PER_S_MAX": "tests/intake/test_abuse.py::test_bytes_are_charged_as_frames_are",
    "RATE_AT_ONCE_S": "tests/intake/test_abuse.py::test_what_a_terminal_sends_too_much_of_waits_and_none_of_it_is_lost",
    "TERMINALS_PER_STRANGE_LINK_MAX": "tests/intake/test_abuse.py::test_a_connection_of_a_stranger_is_shared_by_so_many_and_the_next_one_s_actor_hears_that_it_is_out",
    "LOGINS_AT_ONCE_MAX": "tests/actors/test_vehicle.py::test_logins_in_a_loop_are_refused_and_whoever_is_logged_in_stays",
    "LOGINS_PER_MINUTE_MAX": "tests/actors/test_vehicle.py::test_logins_in_a_loop_are_refused_and_whoever_is_logged_in_stays",
    "TRUSTED_NETWORKS_MAX": "tests/project/test_config.py::test_trusted_addresses_are_networks_and_not_more_than_the_bound",
    "SEAL_ROWS_MAX": "tests/intake/test_intake.py::test_a_segment_is_sealed_at_its_most_records_however_young",
    "SEGMENT_BYTES": "tests/intake/test_journal.py::test_a_full_journal_acknowledges_nothing_and_goes_on_when_there_is_room",
    "MAILBOX_FRAMES_MAX": "tests/actors/test_vehicle.py::test_a_full_mailbox_refuses_the_frame_and_nobody_elses",
    "FRAGMENT_BYTES_MAX": "tests/actors/test_fragments.py::test_a_message_one_byte_too_large_is_dropped_whole_and_told",
    "UPLINK_BYTES_MAX": "tests/actors/test_recorder.py::test_a_message_is_kept_up_to_its_bound_and_said_to_be_cut_past_it",
    "FRAGMENT_S_MAX": "tests/actors/test_fragments.py::test_what_is_lost_is_asked_for_exactly_and_what_never_comes_is_let_go_in_time",
    "FRAGMENT_TOTAL_MAX": "tests/actors/test_fragments.py::test_a_message_of_too_many_fragments_is_refused",
    "FRAGMENT_ASKS_MAX": "tests/actors/test_fragments.py::test_missing_fragments_are_asked_for_three_times_and_then_given_up",
    "FRAGMENT_SETS_MAX": "tests/actors/test_fragments.py::test_one_message_too_many_ends_the_oldest",
    "COMMANDS_OPEN_MAX": "tests/actors/test_commands.py::test_one_command_too_many_is_busy",
    "COMMAND_BODY_BYTES_MAX": "tests/actors/test_commands.py::test_a_body_past_the_bound_fails",
    "COMMANDS_OPEN_BYTES_MAX": "tests/actors/test_commands.py::test_the_fields_of_all_open_commands_are_bounded_and_let_go_at_their_end",
    "COMMAND_REQUEST_BYTES_MAX": "tests/api/test_api.py::test_a_body_past_the_bound_is_refused",
    "COMMAND_EXPIRES_S": "tests/actors/test_commands.py::test_a_command_for_a_car_that_does_not_come_expires",
    "COMMAND_REPLY_BYTES_MAX": "tests/actors/test_commands.py::test_an_answer_too_long_for_an_event_is_named_too",
    "APPROVAL_S": "tests/api/test_commands.py::test_what_is_over_time_or_decided_waits_no_more",
    "APPROVERS": "tests/api/test_commands.py::test_two_others_approve_and_it_says_so",
    "COMMANDS_LOOKED_MAX": "tests/api/test_bounds.py::test_a_search_by_what_became_of_commands_ends_its_page_at_the_bound_and_says_where_to_go_on",
    "IMMOBILISE_FIX_MS_MAX": "tests/actors/test_commands.py::test_a_fix_that_is_too_old_or_too_fast_by_a_tenth_holds_it_back",
    "IMMOBILISE_KMH10_MAX": "tests/actors/test_commands.py::test_a_fix_that_is_too_old_or_too_fast_by_a_tenth_holds_it_back",
    "TRANSFERS_MAX": "tests/actors/test_commands.py::test_one_long_message_a_car_and_so_many_a_node_are_on_their_way",
    "TRANSFER_WINDOW": "tests/actors/test_commands.py::test_few_fragments_are_out_at_once_and_an_acknowledgement_lets_the_next_go",
    "TRANSFER_GRACE_S": "tests/actors/test_commands.py::test_a_terminal_that_acknowledges_none_is_sent_a_window_a_second_and_one_answer_is_for_all",
    "TRANSFER_RESENDS_MAX": "tests/actors/test_commands.py::test_fragments_asked_for_again_are_the_same_bytes",
    "UPLINK_EVENTS_PER_HOUR_MAX": "tests/actors/test_uplinks.py::test_one_event_past_the_bound_of_an_hour_is_answered_and_counted_and_no_event",
    "REFUSALS_PER_LINK_MAX": "tests/line/test_complaints.py::test_a_code_opens_the_door_only_to_the_phone_and_terminal_it_was_given_to",
    "RECEPTION_FRAMES_MAX": "tests/actors/test_reception.py::test_a_full_reception_refuses_the_frame",
    "REGISTRATION_BATCH": "tests/actors/test_fleet.py::test_ten_thousand_first_registrations_go_through_in_batches",
    "LOG_BATCH_EVENTS": "tests/actors/test_log.py::test_callers_at_one_time_share_batches_of_at_most_256",
    "ATTRIBUTE_CHARACTERS_MAX": "tests/identity/test_attributes.py::test_an_attribute_one_sign_past_the_bound_is_cut_and_said",
    "CAPTURES_AT_ONCE_MAX": "tests/storage/test_vault.py::test_a_list_longer_than_the_bound_is_refused_whole",
    "LINK_CANDIDATES_MAX": "tests/storage/test_vault.py::test_only_the_bounded_number_is_compared",
    "PERSONS_PAGE_MAX": "tests/api/test_persons.py::test_a_page_longer_than_the_bound_is_refused",
    "LINK_PERSONS_MAX": "tests/identity/test_actor.py::test_more_persons_than_anybody_reviews_are_not_asked_of",
    "PERSON_CAPTURES_MAX": "tests/identity/test_actor.py::test_a_person_who_is_full_takes_no_more_captures",
    "HOUSEHOLD_MEMBERS_MAX": "tests/identity/test_actor.py::test_a_household_opens_takes_in_and_dissolves",
    "VERIFICATION_S": "tests/storage/test_vault.py::test_a_code_is_over_after_its_time",
    "VERIFICATION_TRIES_MAX": "tests/storage/test_vault.py::test_a_code_is_void_after_so_many_wrong_ones",
    "VERIFICATIONS_PER_DAY_MAX": "tests/storage/test_vault.py::test_nobody_s_telephone_gets_more_codes_a_day_than_the_bound",
    "BUSINESS_CACHE_ROWS_MAX": "tests/storage/test_business.py::test_rows_past_the_bound_of_memory_are_read_again",
    "FIND_ROWS_MAX": "tests/storage/test_business.py::test_a_rule_that_does_what_none_may_is_parked_with_the_reason",
    "EMITTED_EVENTS_MAX": "tests/storage/test_business.py::test_a_rule_that_does_what_none_may_is_parked_with_the_reason",
    "WAITING_EVENTS_RELEASED_MAX": "tests/storage/test_business.py::test_more_than_the_bound_waits_on_for_another_release",
    "PARKED_KEYS_KNOWN_MAX": "tests/storage/test_business.py::test_more_parked_keys_than_memory_holds_are_asked_for",
    "PARKED_REASON_CHARACTERS_MAX": "tests/storage/test_business.py::test_a_long_reason_is_cut_at_its_bound",
    "CATCH_UP_EVENTS": "tests/storage/test_business.py::test_a_log_longer_than_one_transaction_is_caught_up_in_several",
    "TIMERS_AT_ONCE": "tests/storage/test_business.py::test_timers_past_one_look_are_said_by_the_next",
    "LOG_BACKLOG_EVENTS_MAX": "tests/actors/test_log.py::test_past_the_backlog_callers_wait_and_safety_does_not",
    "VEHICLES_MAX": "tests/storage/test_registry.py::test_a_wrong_phone_or_a_full_fleet_writes_nothing",
    "TERMINALS_MAX": "tests/detection/test_alarm_rules.py::test_a_terminal_past_the_last_latch_is_counted_and_not_judged_and_others_are",
    "MEDIA_BYTES_MAX": "tests/actors/test_media.py::test_one_byte_more_than_an_item_may_have_is_refused_whole",
    "MEDIA_PACKETS_MAX": "tests/actors/test_media.py::test_one_packet_more_than_an_item_may_have_is_refused_whole",
    "MEDIA_OPEN_MAX": "tests/actors/test_media.py::test_one_item_more_than_a_car_may_have_open_gives_up_the_oldest",
    "MEDIA_MEMORY_BYTES_MAX": "tests/actors/test_media.py::test_an_item_that_begins_where_all_cars_memory_is_full_is_refused_and_others_go_on",
    "MEDIA_S_MAX": "tests/actors/test_media.py::test_an_item_that_trickles_in_for_too_long_is_given_up",
    "MEDIA_ASKS_MAX": "tests/actors/test_media.py::test_what_is_missing_is_asked_for_some_times_and_then_given_up",
    "MEDIA_ITEMS_DAY_MAX": "tests/actors/test_media.py::test_a_car_that_sends_one_item_more_than_a_day_allows_is_refused_and_others_are_not",
    "MEDIA_WRITES_AT_ONCE": "tests/actors/test_media.py::test_so_many_files_are_written_at_once_and_one_more_waits_its_turn",
    "MEDIA_OWED_MAX": "tests/actors/test_media.py::test_what_was_stored_while_its_terminal_was_away_is_answered_at_its_login",
    "MEDIA_PAGE_MAX": "tests/api/test_bounds.py::test_a_parameter_one_past_its_bound_is_refused_by_name",
    "MEDIA_LINK_MS": "tests/storage/test_media.py::test_a_crash_a_millisecond_too_far_away_or_of_another_car_is_not_shown",
    "MEDIA_LINKS_AT_ONCE": "tests/storage/test_media.py::test_a_crash_is_shown_with_the_newest_pictures_up_to_the_bound",
    "STORE_TIMEOUT_S": "tests/storage/test_clickhouse.py::test_a_server_that_takes_longer_than_the_bound_counts_as_away",
    "STORE_CONNECT_TIMEOUT_S": "tests/storage/test_clickhouse.py::test_a_server_that_takes_longer_than_the_bound_counts_as_away",
    "STORE_MEMORY_BYTES_MAX": "tests/storage/test_clickhouse.py::test_past_the_stores_memory_a_query_fails_and_the_process_goes_on",
    "STORE_READERS": "tests/storage/test_clickhouse.py::test_one_reader_too_many_waits_for_its_turn",
    "REFUSED_TRIES": "tests/storage/test_clickhouse.py::test_what_is_refused_is_tried_so_often_and_its_reason_cut",
    "BISECTION_INSERTS_MAX": "tests/storage/test_clickhouse.py::test_a_wholly_refused_segment_is_given_up_on_within_the_bound",
    "REFUSED_REASON_CHARACTERS_MAX": "tests/storage/test_clickhouse.py::test_what_is_refused_is_tried_so_often_and_its_reason_cut",
    "QUERY_ROWS_MAX": "tests/storage/test_query.py::test_an_answer_is_bounded_in_rows_bytes_time_and_memory",
    "QUERY_S_MAX": "tests/storage/test_query.py::test_an_answer_is_bounded_in_rows_bytes_time_and_memory",
    "QUERY_MEMORY_BYTES_MAX": "tests/storage/test_query.py::test_an_answer_is_bounded_in_rows_bytes_time_and_memory",
    "QUERY_ANSWER_BYTES_MAX": "tests/storage/test_query.py::test_an_answer_is_bounded_in_rows_bytes_time_and_memory",
    "QUERY_REQUEST_BYTES_MAX": "tests/storage/test_query.py::test_a_question_longer_than_the_bound_is_let_go_unread",
    "QUERY_REQUEST_S": "tests/storage/test_query.py::test_who_connects_and_asks_nothing_is_let_go_in_time",
    "QUERY_BACKLOG": "tests/storage/test_query.py::test_askers_past_the_backlog_wait_in_connect_and_all_are_answered",
    "TRACK_POINTS_MAX": "tests/storage/test_clickhouse.py::test_a_track_is_as_long_as_its_bound_whatever_is_asked_for",
    "TRACK_THIN_M_MAX": "tests/api/test_bounds.py::test_a_parameter_one_past_its_bound_is_refused_by_name",
    "TRACK_DAYS_MAX": "tests/api/test_tracks.py::test_a_calendar_is_bounded",
    "VEHICLES_PAGE_MAX": "tests/api/test_bounds.py::test_a_parameter_one_past_its_bound_is_refused_by_name",
    "VEHICLES_LOOKED_MAX": "tests/api/test_bounds.py::test_a_search_by_what_cars_do_ends_its_page_at_the_bound_and_says_where_to_go_on",
    "ARCHIVE_SCAN_BYTES": "tests/intake/test_archive.py::test_a_search_rests_at_its_bound_and_says_where_to_go_on",
    "ARCHIVE_SCANS_MAX": "tests/intake/test_archive.py::test_one_search_too_many_waits_for_its_turn",
    "DATABASE_TIMEOUT_S": "tests/storage/test_eventlog.py::test_who_waits_for_the_database_longer_than_the_bound_is_told",
    "EVENTS_STATEMENT_MAX": "tests/storage/test_inbox.py::test_more_than_a_statement_is_moved_in_batches",
    "EVENTS_READ_MAX": "tests/storage/test_eventlog.py::test_a_read_ends_at_its_bound_and_goes_on_behind_it",
    "TERMINALS_IMPORT_MAX": "tests/storage/test_terminals.py::test_a_list_one_past_the_bound_is_refused",
    "TERMINALS_IMPORT_BYTES_MAX": "tests/api/test_terminals.py::test_a_list_one_byte_past_the_bound_is_too_large",
    "TERMINALS_PAGE_MAX": "tests/api/test_bounds.py::test_a_parameter_one_past_its_bound_is_refused_by_name",
    "BINDINGS_READ_MAX": "tests/storage/test_terminals.py::test_a_history_is_read_up_to_its_bound_from_the_newest_stay_back",
    "KNOCKING_MAX": "tests/actors/test_reception.py::test_strangers_are_remembered_up_to_the_bound_and_one_more_puts_out_the_longest_silent",
    "LIVE_FEEDS_MAX": "tests/live/test_feed.py::test_one_feed_too_many_in_all_is_refused",
    "LIVE_FEEDS_PER_READER_MAX": "tests/live/test_feed.py::test_one_feed_too_many_for_a_reader_is_refused_and_the_others_live_on",
    "LIVE_CARS_PER_FRAME_MAX": "tests/live/test_board.py::test_one_car_past_a_frame_is_a_second_frame",
    "LIVE_SLOW_S_MAX": "tests/live/test_feed.py::test_who_does_not_read_at_all_is_cut_off",
    "FENCES_PER_VEHICLE_MAX": "tests/detection/test_geofence_rules.py::test_one_fence_past_the_bound_of_a_vehicle_is_counted_not_tracked",
    "FENCES_AT_POINT_MAX": "tests/detection/test_geofence_rules.py::test_past_the_bound_of_fences_at_a_point_the_rest_is_counted",
    "FENCE_BLOCKS_MAX": "tests/detection/test_geofence_rules.py::test_where_no_block_is_left_a_crossing_is_counted_not_tracked_and_lighter_cars_are_judged",
    "FENCE_PASSED_MAX": "tests/detection/test_geofence_rules.py::test_of_more_fences_on_the_way_than_are_judged_the_rest_is_counted",
    "FACTS_PER_ROW_MAX": "tests/detection/test_detection.py::test_a_buffer_too_small_for_one_report_is_refused",
    "FACTS_MAX": "tests/detection/test_driving_rules.py::test_a_full_buffer_of_facts_begins_another_pass_and_a_sweep_goes_on_where_it_stopped",
    "RULE_GROUPS_MAX": "tests/storage/test_rules.py::test_what_no_longer_fits_counts_as_not_set",
    "RULE_VERSIONS_MAX": "tests/storage/test_rules.py::test_thresholds_are_changed_so_often_and_no_more",
    "RULE_NOTE_CHARACTERS_MAX": "tests/api/test_rules.py::test_what_does_not_fit_is_named_in_the_readers_language",
    "REPLAY_ROWS": "tests/actors/test_replay.py::test_other_rules_differ_by_what_detection_finds_under_them",
    "REPLAY_QUERY_S_MAX": "tests/storage/test_clickhouse.py::test_whole_reports_are_read_once_each_and_within_the_bounds_of_every_read",
    "REPLAY_FACTS_MAX": "tests/actors/test_replay.py::test_more_facts_than_are_held_end_it",
    "REPLAY_LISTED_MAX": "tests/actors/test_replay.py::test_more_facts_than_are_held_end_it",
    "TRIAL_REPORTS_MAX": "tests/actors/test_replay.py::test_a_trial_reads_as_many_reports_as_it_may",
    "TRIAL_S": "tests/actors/test_replay.py::test_a_trial_reads_as_many_reports_as_it_may",
    "OUTAGE_MS": "tests/detection/test_sweeps.py::test_a_time_in_which_nobody_listened_is_nobodys_silence",
    "FENCE_CORNERS_MAX": "tests/kernels/test_geofence.py::test_what_cannot_be_indexed_is_refused_with_the_reason",
    "FENCE_RADIUS_M_MAX": "tests/kernels/test_geofence.py::test_what_cannot_be_indexed_is_refused_with_the_reason",
    "FENCE_RADIUS_M_MIN": "tests/kernels/test_geofence.py::test_what_cannot_be_indexed_is_refused_with_the_reason",
    "FENCE_AREA_M2_MIN": "tests/api/test_geofences.py::test_a_fence_at_its_bound_is_saved_and_one_past_it_is_refused_by_name",
    "FENCE_AREA_M2_MAX": "tests/api/test_geofences.py::test_a_fence_at_its_bound_is_saved_and_one_past_it_is_refused_by_name",
    "FENCE_PERIMETER_M_MAX": "tests/api/test_geofences.py::test_a_fence_at_its_bound_is_saved_and_one_past_it_is_refused_by_name",
    "CORRIDOR_POINTS_MAX": "tests/api/test_geofences.py::test_what_cannot_be_a_fence_is_refused_by_name",
    "CORRIDOR_WIDTH_M_MIN": "tests/api/test_geofences.py::test_a_fence_at_its_bound_is_saved_and_one_past_it_is_refused_by_name",
    "CORRIDOR_WIDTH_M_MAX": "tests/api/test_geofences.py::test_a_fence_at_its_bound_is_saved_and_one_past_it_is_refused_by_name",
    "CORRIDOR_LENGTH_M_MAX": "tests/api/test_geofences.py::test_a_fence_at_its_bound_is_saved_and_one_past_it_is_refused_by_name",
    "FENCE_WINDOWS_MAX": "tests/api/test_geofences.py::test_what_cannot_be_a_fence_is_refused_by_name",
    "FENCE_DWELL_S_MIN": "tests/api/test_geofences.py::test_a_fence_at_its_bound_is_saved_and_one_past_it_is_refused_by_name",
    "FENCE_DWELL_S_MAX": "tests/api/test_geofences.py::test_a_fence_at_its_bound_is_saved_and_one_past_it_is_refused_by_name",
    "FENCE_SPEED_KMH_MAX": "tests/api/test_geofences.py::test_a_fence_at_its_bound_is_saved_and_one_past_it_is_refused_by_name",
    "FENCE_SPEED_S_MAX": "tests/api/test_geofences.py::test_a_fence_at_its_bound_is_saved_and_one_past_it_is_refused_by_name",
    "FENCES_MAX": "tests/storage/test_geofences.py::test_one_fence_past_the_bound_of_a_group_is_refused",
    "FENCE_VEHICLES_MAX": "tests/storage/test_geofences.py::test_a_fence_is_for_cars_and_stores_there_are",
    "FENCE_NAME_CHARACTERS_MAX": "tests/api/test_geofences.py::test_a_fence_at_its_bound_is_saved_and_one_past_it_is_refused_by_name",
    "AREA_CORNERS_MAX": "tests/log/test_areas.py::test_one_more_corner_than_terminals_are_told_is_refused",
    "AREA_ROUTE_WIDTH_M_MAX": "tests/api/test_geofences.py::test_a_fence_at_its_bound_is_saved_and_one_past_it_is_refused_by_name",
    "AREA_ROUTE_POINTS_MAX": "tests/log/test_areas.py::test_a_corridor_is_told_as_a_route_with_its_limit_on_each_section",
    "AREA_MS_MIN": "tests/api/test_geofences.py::test_a_fence_at_its_bound_is_saved_and_one_past_it_is_refused_by_name",
    "AREA_MS_END": "tests/api/test_geofences.py::test_a_fence_at_its_bound_is_saved_and_one_past_it_is_refused_by_name",
    "AREAS_PER_GROUP_MAX": "tests/log/test_areas.py::test_one_more_fence_on_terminals_than_a_group_may_have_is_refused",
    "AREA_COMMANDS_MAX": "tests/log/test_areas.py::test_one_more_command_than_may_be_on_their_way_waits",
    "AREA_COMMAND_EXPIRES_S": "tests/log/test_areas.py::test_a_command_has_its_time_to_arrive_and_the_next_is_asked_for_only_after_it",
    "AREA_COMMAND_LOST_S": "tests/log/test_areas.py::test_a_command_whose_end_was_lost_is_asked_for_again",
    "AREA_ATTEMPTS_MAX": "tests/log/test_areas.py::test_a_terminal_that_does_not_answer_is_asked_at_growing_intervals_then_unknown_until_it_comes",
    "AREA_TERMINALS_AT_ONCE": "tests/log/test_areas.py::test_a_fence_for_more_terminals_than_one_transaction_takes_is_told_to_all",
    "AREAS_PAGE_MAX": "tests/api/test_bounds.py::test_a_parameter_one_past_its_bound_is_refused_by_name",
    "TRACKING_PER_MINUTE_MAX": "tests/log/test_tracking.py::test_past_the_bound_of_a_minute_they_are_let_go_and_counted",
    "GEOJSON_BYTES_MAX": "tests/api/test_geofences.py::test_one_byte_past_the_bound_is_too_large",
    "GEOJSON_FEATURES_MAX": "tests/api/test_geofences.py::test_a_document_that_is_none_is_refused",
    "GEOJSON_CORNERS_MAX": "tests/api/test_geofences.py::test_a_document_of_more_corners_than_the_bound_is_refused_whole",
    "KML_DEPTH_MAX": "tests/api/test_kml.py::test_what_is_no_kml_or_made_to_harm_is_refused",
    "KML_ELEMENTS_MAX": "tests/api/test_kml.py::test_what_is_no_kml_or_made_to_harm_is_refused",
    "KMZ_MEMBERS_MAX": "tests/api/test_kml.py::test_what_is_no_kml_or_made_to_harm_is_refused",
    "KMZ_RATIO_MAX": "tests/api/test_kml.py::test_what_is_no_kml_or_made_to_harm_is_refused",
    "OUTLINES_MAX": "tests/storage/test_geofences.py::test_of_more_fences_than_a_map_shows_the_small_ones_are_counted",
    "OUTLINES_LARGE_MAX": "tests/storage/test_geofences.py::test_of_more_fences_than_a_map_shows_the_small_ones_are_counted",
    "OUTLINE_CORNERS_MAX": "tests/storage/test_geofences.py::test_one_corner_more_than_a_map_reads_comes_as_its_box",
    "OUTLINE_CELLS_MAX": "tests/storage/test_geofences.py::test_of_more_fences_than_a_map_shows_the_small_ones_are_counted",
    "GEOJSON_REFUSALS_MAX": "tests/api/test_geofences.py::test_of_more_refusals_than_the_bound_all_are_counted_and_the_first_named",
    "SUMMARY_ROWS_MAX": "tests/storage/test_clickhouse.py::test_summaries_of_one_row_too_many_are_stored_at_once",
    "ACCESS_WAITING_MAX": "tests/storage/test_reader.py::test_a_look_does_not_wait_without_end",
    "ACCESS_S_MAX": "tests/storage/test_reader.py::test_a_look_does_not_wait_without_end",
    "UPLINKS_PAGE_MAX": "tests/api/test_bounds.py::test_a_parameter_one_past_its_bound_is_refused_by_name",
    "UPLINK_LISTED_BYTES_MAX": "tests/storage/test_uplinks.py::test_a_list_has_the_beginning_of_a_long_message_and_one_read_by_itself_all_of_it",
    "POSITIONS_READ_MAX": "tests/api/test_bounds.py::test_a_parameter_one_past_its_bound_is_refused_by_name",
    "STREAMS_MAX": "tests/api/test_events.py::test_one_stream_too_many_is_refused",
    "STREAMS_PER_PRINCIPAL_MAX": "tests/api/test_events.py::test_one_stream_too_many_is_refused",
    "STREAM_EVENTS": "tests/api/test_events.py::test_a_long_past_comes_whole_and_in_order",
    "PASSWORD_CHARACTERS_MIN": "tests/storage/test_people.py::test_an_easy_password_is_refused_with_the_reason",
    "PASSWORD_CHARACTERS_MAX": "tests/api/test_bounds.py::test_a_password_of_any_length_that_could_be_one_is_checked_and_a_longer_one_is_not_hashed",
    "HASHES_AT_ONCE_MAX": "tests/api/test_bounds.py::test_one_login_too_many_at_once_is_told_to_come_again_and_the_others_get_in",
    "HASHES_WAITING_MAX": "tests/api/test_bounds.py::test_one_login_too_many_at_once_is_told_to_come_again_and_the_others_get_in",
    "LOGIN_FAILURES_MAX": "tests/storage/test_people.py::test_an_account_opens_when_the_rules_say_so_and_never_else",
    "LOGIN_LOCKED_S": "tests/storage/test_people.py::test_an_account_opens_when_the_rules_say_so_and_never_else",
    "ADDRESS_FAILURES_MAX": "tests/storage/test_people.py::test_one_address_is_locked_after_fifty_failures_whatever_the_logins",
    "ADDRESSES_MAX": "tests/storage/test_people.py::test_failures_are_forgotten_past_the_bound_and_never_grow_beyond_it",
    "SESSION_IDLE_S": "tests/storage/test_people.py::test_a_session_lives_while_it_is_used_and_a_week_at_most",
    "SESSION_S_MAX": "tests/storage/test_people.py::test_a_session_lives_while_it_is_used_and_a_week_at_most",
    "SESSIONS_PER_ACCOUNT_MAX": "tests/storage/test_people.py::test_one_session_too_many_ends_the_one_used_longest_ago",
    "KEYS_PER_ACCOUNT_MAX": "tests/storage/test_people.py::test_one_key_too_many_is_refused",
    "INVITATION_S": "tests/storage/test_people.py::test_a_link_opens_once_and_for_72_hours",
    "PRINCIPAL_KNOWN_S": "tests/api/test_guards.py::test_what_another_process_takes_away_is_gone_within_three_seconds",
    "PRINCIPALS_KNOWN_MAX": "tests/api/test_guards.py::test_more_principals_than_the_bound_are_asked_for_again",
    "PEOPLE_READ_MAX": "tests/api/test_bounds.py::test_a_parameter_one_past_its_bound_is_refused_by_name",
    "ACCOUNT_STORES_MAX": "tests/api/test_bounds.py::test_an_account_is_given_so_many_stores_and_no_more",
    "ARMED_RADIUS_M_MIN": "tests/api/test_bounds.py::test_an_armed_cars_reach_ends_at_its_bounds",
    "ARMED_RADIUS_M_MAX": "tests/api/test_bounds.py::test_an_armed_cars_reach_ends_at_its_bounds",
    "LINKS_OF_CAR_MAX": "tests/business/test_garage.py::test_a_car_holds_so_many_links_and_one_more_is_refused",
    "MERGES_FOLLOWED_MAX": "tests/business/test_garage.py::test_merges_are_followed_so_far_and_no_farther",
    "ODOMETER_M_MAX": "tests/business/test_garage.py::test_a_program_signs_no_correction",
    "HELD_PAGE_MAX": "tests/storage/test_garage.py::test_pages_end_at_their_bound_and_go_on_behind_it",
    "ENTRIES_PAGE_MAX": "tests/storage/test_garage.py::test_pages_end_at_their_bound_and_go_on_behind_it",
    "ENTRIES_PROVED_MAX": "tests/storage/test_garage.py::test_a_record_longer_than_is_reckoned_at_once_says_how_far_it_holds",
    "OUTBOX_SEARCHED_MAX": "tests/audit/test_keys.py::test_messages_are_searched_though_they_are_sealed_and_no_further_than_the_bound",
    "AUDIT_VERIFIED_MAX": "tests/audit/test_acts.py::test_the_page_verifies_the_newest_rows_and_says_where_it_is_broken",
    "ACT_CHARACTERS_MAX": "tests/audit/test_acts.py::test_the_end_of_a_link_never_stands_in_the_log_and_a_long_detail_is_cut",
    "EXPORT_FREE_ROWS": "tests/audit/test_exports.py::test_one_row_past_the_bound_needs_a_word",
    "EXPORTS_WAITING_MAX": "tests/audit/test_exports.py::test_one_waiting_export_too_many_is_refused",
    "EXPORT_APPROVAL_S": "tests/audit/test_exports.py::test_an_export_that_nobody_judges_is_denied_after_a_day",
    "PERSONS_HOUR_MAX": "tests/audit/test_acts.py::test_who_reads_five_hundred_persons_in_an_hour_is_told_of_once",
    "KEY_GRACE_S": "tests/audit/test_keys.py::test_a_rotation_wraps_everything_anew_and_destroys_the_old_key",
    "CONSENT_CELLS_MAX": "tests/business/test_consent.py::test_a_text_past_its_bounds_is_refused",
    "CONSENT_BODY_CHARACTERS_MAX": "tests/business/test_consent.py::test_a_text_past_its_bounds_is_refused",
    "CONSENT_EVIDENCE_CHARACTERS_MAX": "tests/business/test_consent.py::test_a_text_past_its_bounds_is_refused",
    "CONSENT_DAYS_MAX": "tests/business/test_consent.py::test_a_text_past_its_bounds_is_refused",
    "GLASS_MINUTES_MAX": "tests/business/test_consent.py::test_a_look_needs_an_incident_a_person_and_a_bound",
    "GLASS_OPEN_MAX": "tests/business/test_consent.py::test_a_look_needs_an_incident_a_person_and_a_bound",
    "GLASS_REVIEW_H": "tests/business/test_consent.py::test_a_look_that_nobody_reviews_is_overdue_after_its_hours",
    "SERVICE_AREA_M": "tests/storage/test_permits.py::test_one_metre_past_the_service_area_is_outside",
    "ALERTS_OF_INCIDENT_MAX": "tests/business/test_incident.py::test_alerts_past_the_bound_are_counted_and_raise_all_the_same",
    "INCIDENTS_REMEMBERED_MAX": "tests/business/test_incident.py::test_a_car_remembers_so_many_cases_and_what_belongs_to_an_older_one_opens_another",
    "INCIDENTS_PAGE_MAX": "tests/storage/test_incidents.py::test_pages_and_stories_end_at_their_bound_and_go_on_behind_it",
    "INCIDENT_STEPS_MAX": "tests/storage/test_incidents.py::test_pages_and_stories_end_at_their_bound_and_go_on_behind_it",
    # core/config.py
    "links_per_address_max": "tests/intake/test_abuse.py::test_an_address_has_so_many_connections_and_another_is_served",
    "links_per_address_minute_max": "tests/intake/test_abuse.py::test_an_address_opens_so_many_connections_a_minute",
    "frames_per_s_max": "tests/intake/test_abuse.py::test_what_a_terminal_sends_too_much_of_waits_and_none_of_it_is_lost",
    "bytes_per_s_max": "tests/intake/test_abuse.py::test_bytes_are_charged_as_frames_are",
    "areas_max": "tests/log/test_areas.py::test_of_more_areas_than_a_terminal_holds_the_oldest_are_told",
    "media_bytes_max": "tests/actors/test_media.py::test_a_full_store_refuses_what_is_new_and_says_so_and_takes_what_it_has",
    "journal_bytes_max": "tests/intake/test_journal.py::test_at_its_bound_the_journal_lets_the_archive_go_first_and_then_prepares_nothing",
    "idle_s": "tests/intake/test_intake.py::test_a_silent_link_is_ended",
}

NOT_BOUNDS = {
    "GLASS_USES_KNOWN_MAX": "a size: what is forgotten is said again with the same id, which the log knows",
    "FACTOR_CODES": "a size: as many as are printed on one sheet",
    "STALL_ROUND_MS": "a pace: of rounds while the journal takes nothing",
    "STALL_ROUND_BYTES": "a pace: who is beyond it is looked at in the next round",
    "STALL_RETRY_MS": "a pace: of trying a disk again",
    "KNOCKS_PER_ROUND": "a pace: who is not looked at waits for the next round",
    "REST_MS": "a pace: of looking whether a connection has rested enough",
    "drain_s": "how long a stop is announced before it begins",
    "RECEIVE_BYTES": "a size: what one recv leaves waits in the socket for the next round",
    "SEAL_ROWS": "a pace: the segment goes on; SEAL_ROWS_MAX bounds it",
    "SEAL_S_MIN": "a pace: of sealing at SEAL_ROWS",
    "SEAL_S": "a pace: of sealing what is small",
    "ROUND_ROWS_MAX": "a pace: nothing is refused, the next round begins at once",
    "ROUND_BYTES_MAX": "a pace: nothing is refused, the next round begins at once",
    "HAND_UP_ROWS": "a pace: of waking readers",
    "HAND_UP_MS": "a pace: of waking readers",
    "FRAGMENT_PAUSE_S": "a pace: of asking; FRAGMENT_ASKS_MAX and FRAGMENT_S_MAX bound it",
    "LOOK_AGAIN_S": "a pace: of looking; the command expires by itself",
    "TRANSFER_PAUSE_S": "a pace: of sending; TRANSFER_WINDOW bounds it",
    "LOG_LINGER_S": "a pace: of committing; LOG_BATCH_EVENTS bounds it",
    "MEDIA_PAUSE_S": "a pace: of asking; MEDIA_ASKS_MAX and MEDIA_S_MAX bound it",
    "MEDIA_STORE_BYTES": "the default of media_bytes_max",
    "SWEEP_MS": "a pace: of looking for silence",
    "SWEEP_LAG_MS": "a delay: how far sweeps stay behind arrival",
    "FENCES_PAUSE_S_MAX": "a pace: of building the index",
    "ZONES_LOOK_S": "a pace: of asking the clocks",
    "AREAS_PER_TERMINAL_MAX": "the default of areas_max",
    "AREA_PAUSE_S": "a pace: of asking; AREA_ATTEMPTS_MAX bounds it",
    "SUMMARY_EVERY_S": "a pace: of storing; SUMMARY_ROWS_MAX bounds it",
    "STREAM_WAKE_S": "a pace: of waking streams",
    "STREAM_KNOWN_S": "a pace: of asking whether the reader still may",
    "REWRAP_ROWS": "a pace: of wrapping anew; the next page follows at once",
    "AUDIT_SEAL_S": "a pace: of sealing the audit log",
    "SEEN_EVERY_S": "a pace: of writing when somebody was here last",
    "ack_window_ms": "a pace: of committing",
    "journal_keep_h": "a time to keep; journal_bytes_max bounds what is kept",
    "demo_vehicles": "a choice: how large the simulated fleet is",
    "demo_history_h": "a choice: how much past the simulated fleet has",
}


def limits() -> list[str]:
    """Return the names of core/limits.py, in their order; there is nothing else in it that could hold a bound."""
    names = []
    for node in ast.parse(LIMITS.read_text(encoding="utf-8")).body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id="Final")):
                names.append(name)
            case ast.ImportFrom(module="typing") | ast.Expr(value=ast.Constant(value=str())):
                pass
            case _:
                raise AssertionError(f"core/limits.py:{node.lineno} is neither NAME: Final = … nor a docstring")
    return names


def bounded_options() -> list[str]:
    """Return the fields of the configuration that have a least or a greatest value."""
    names = []
    for name, field in FIELDS.items():
        type_ = msgspec.inspect.type_info(field.type)
        while isinstance(type_, msgspec.inspect.Metadata):
            type_ = type_.type
        ends = ("ge", "gt", "le", "lt", "max_length")
        if any(getattr(type_, end, None) is not None for end in ends):
            names.append(name)
    return names


@cache
def read_tests(file: str) -> tuple[dict[str, ast.AST], dict[str, ast.AST]]:
    """Return the tests of a file by name, and the tables that stand beside them."""
    tests: dict[str, ast.AST] = {}
    tables: dict[str, ast.AST] = {}
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("test_"):
                tests[name] = node
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                tables[name] = node
    return tests, tables


def words_of(node: ast.AST) -> set[str]:
    """Return what a piece of source names: variables, attributes, keyword arguments, and strings as a whole."""
    words: set[str] = set()
    for part in ast.walk(node):
        match part:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.keyword(arg=str(word)):
                words.add(word)
            case ast.Constant(value=str(word)):
                words.add(word.rpartition(".")[2])
    return words


def test_every_bound_has_a_test_one_past_it_or_the_reason_why_it_is_none() -> None:
    walked = limits() + bounded_options()
    assert len(walked) > 190, "the walk has lost its way"
    declared = [*BOUNDS, *NOT_BOUNDS]
    missing = [name for name in walked if name not in declared]
    assert not missing, (
        f"{missing}: add the test that goes one past it to BOUNDS, or the reason why it is none to NOT_BOUNDS"
    )
    gone = [name for name in declared if name not in walked]
    assert not gone, f"{gone}: neither core/limits.py nor core/config.py has it any more"
    twice = {name for name in declared if declared.count(name) > 1}
    assert not twice, f"{twice}: stands in two tables"


@pytest.mark.parametrize("name", BOUNDS)
def test_the_test_of_a_bound_stands_there_and_names_it(name: str) -> None:
    file, _, test = BOUNDS[name].partition("::")
    assert (ROOT / file).is_file(), f"{file}: no such file"
    tests, tables = read_tests(file)
    assert test in tests, f"{file} has no {test}"
    words = words_of(tests[test])
    # A test with a row a case has its cases in a table of its file.
    for table in words & set(tables):
        words |= words_of(tables[table])
    assert name.lower() in {word.lower() for word in words}, f"{BOUNDS[name]} does not name {name}"


def test_what_is_no_bound_says_why() -> None:
    assert all(len(reason.split()) >= 3 for reason in NOT_BOUNDS.values())


def test_no_bound_is_without_use() -> None:
    """A constant that nothing reads bounds nothing."""
    packages = ("core", "actors", "protocols", "storage", "api")
    files = [ROOT / "carillon.py", *(file for package in packages for file in (ROOT / package).rglob("*.py"))]
    seen: Counter[str] = Counter()
    for file in files:
        if "node_modules" not in file.parts:
            seen.update(re.findall(r"\b[A-Z][A-Z0-9_]+\b", file.read_text(encoding="utf-8")))
    # Once where it stands; more than once where something reads it.
    assert not [name for name in limits() if seen[name] < 2]


def test_every_bound_has_a_figure_or_the_reason_why_it_needs_none() -> None:
    metered = {name for names in METERS.values() for name in names.split()}
    assert not metered & set(UNMETERED)
    bounds = {name for name in limits() if name not in NOT_BOUNDS}
    unshown = sorted(bounds - metered - set(UNMETERED))
    assert not unshown, f"{unshown}: name each in tests/project/meters.py, beside the figure that moves"
    gone = sorted((metered | set(UNMETERED)) - set(limits()))
    assert not gone, f"{gone} stand in tests/project/meters.py and are gone from core/limits.py"
