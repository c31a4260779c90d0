"""Which figure of /metrics shows that a bound was reached, or how near it is; and which bounds need none, and why.

Whoever adds a bound to core/limits.py that somebody outside can reach names it here, beside the figure that moves.
"""

METERS = {
    "business_parked_total": "FIND_ROWS_MAX EMITTED_EVENTS_MAX WAITING_EVENTS_RELEASED_MAX",
    "timers_said_total": "TIMERS_AT_ONCE",
    "log_lines_let_go_total": "LOG_LINES_PER_MINUTE_MAX",
    # Connections and frames.
    "intake_links_live": "LINKS_MAX",
    "intake_links_refused_total": "LINKS_MAX",
    "intake_bad_endless_total": "PARTIAL_BYTES_MAX",
    "intake_links_garbage_total": "BAD_FRAMES_MAX FRAMES_BEFORE_LOGIN_MAX STRANGER_FRAMES_MAX STRANGER_BYTES_MAX",
    "intake_links_nobody_total": "LOGIN_S_MAX GIVE_WAY_S_MIN",
    "intake_links_waiting": "STRANGERS_PER_ADDRESS_MAX",
    "intake_links_refused_address_total": "LINKS_PER_ADDRESS_MAX STRANGERS_PER_ADDRESS_MAX ADDRESSES_HEARD_MAX "
    "ADDRESS_PROBES_MAX",
    "intake_links_refused_rate_total": "LINKS_PER_ADDRESS_MINUTE_MAX",
    "intake_links_rested_total": "FRAMES_PER_S_MAX BYTES_PER_S_MAX RATE_AT_ONCE_S",
    "vehicle_logins_refused_total": "LOGINS_AT_ONCE_MAX LOGINS_PER_MINUTE_MAX",
    "intake_links_ended_total": "REFUSALS_PER_LINK_MAX",
    "intake_admissions_refused_total": "TERMINALS_PER_LINK_MAX TERMINALS_PER_STRANGE_LINK_MAX",
    "intake_admissions": "TERMINALS_PER_LINK_MAX",
    "intake_links_slow_total": "SEND_POOL_CHUNK_BYTES SEND_POOL_CHUNKS",
    "intake_send_chunks": "SEND_POOL_CHUNKS",
    "intake_command_bytes": "COMMAND_QUEUE_BYTES",
    "vehicle_links_full_total": "COMMAND_QUEUE_BYTES",
    "intake_segments_sealed_total": "SEAL_ROWS_MAX SEGMENT_BYTES",
    "journal_needed_bytes": "SEGMENT_BYTES",
    "gateway_alarms_unjudged_total": "STALL_ALARMS_MAX",
    # The conversation.
    "gateway_held": "MAILBOX_FRAMES_MAX",
    "gateway_mailboxes_full_total": "MAILBOX_FRAMES_MAX",
    "vehicle_messages_refused_total": "FRAGMENT_BYTES_MAX FRAGMENT_TOTAL_MAX FRAGMENT_SETS_MAX",
    "vehicle_fragments_bad_total": "FRAGMENT_TOTAL_MAX",
    "vehicle_messages_expired_total": "FRAGMENT_S_MAX FRAGMENT_ASKS_MAX FRAGMENT_SETS_MAX",
    "recorder_uplinks_cut_total": "UPLINK_BYTES_MAX",
    "vehicle_uplink_events_refused_total": "UPLINK_EVENTS_PER_HOUR_MAX",
    "vehicle_commands_failed_total": "COMMANDS_OPEN_MAX COMMANDS_OPEN_BYTES_MAX COMMAND_BODY_BYTES_MAX "
    "TRANSFER_RESENDS_MAX",
    "vehicle_commands_bytes": "COMMANDS_OPEN_BYTES_MAX",
    "vehicle_commands_expired_total": "COMMAND_EXPIRES_S APPROVAL_S AREA_COMMAND_EXPIRES_S",
    "vehicle_commands_queued_total": "IMMOBILISE_FIX_MS_MAX IMMOBILISE_KMH10_MAX",
    "vehicle_transfers": "TRANSFERS_MAX",
    "vehicle_fragments_sent_total": "TRANSFER_WINDOW TRANSFER_GRACE_S",
    "vehicle_fragments_resent_total": "TRANSFER_RESENDS_MAX",
    "reception_waiting": "RECEPTION_FRAMES_MAX",
    "reception_knocking": "KNOCKING_MAX",
    "reception_put_out_total": "KNOCKING_MAX",
    "fleet_registered_total": "REGISTRATION_BATCH",
    "fleet_vehicles": "VEHICLES_MAX",
    "fleet_terminals": "TERMINALS_MAX",
    "detection_alarms_beyond_capacity_total": "TERMINALS_MAX",
    # The log.
    "log_batches_total": "LOG_BATCH_EVENTS EVENTS_STATEMENT_MAX",
    "log_waiting": "LOG_BACKLOG_EVENTS_MAX",
    "log_failures_total": "DATABASE_TIMEOUT_S",
    # Media.
    "vehicle_media_refused_total": "MEDIA_BYTES_MAX MEDIA_PACKETS_MAX MEDIA_MEMORY_BYTES_MAX",
    "vehicle_media_lost_total": "MEDIA_OPEN_MAX MEDIA_S_MAX MEDIA_ASKS_MAX",
    "media_held_bytes": "MEDIA_MEMORY_BYTES_MAX",
    "media_refused_day_total": "MEDIA_ITEMS_DAY_MAX",
    "evidence_linked_total": "MEDIA_LINK_MS MEDIA_LINKS_AT_ONCE",
    # Storing.
    "recorder_failures_total": "STORE_TIMEOUT_S STORE_CONNECT_TIMEOUT_S STORE_MEMORY_BYTES_MAX",
    "recorder_refused_total": "REFUSED_TRIES BISECTION_INSERTS_MAX REFUSED_REASON_CHARACTERS_MAX",
    # Detection.
    "detection_geofence_fences_untracked_total": "FENCES_PER_VEHICLE_MAX FENCES_AT_POINT_MAX FENCE_BLOCKS_MAX "
    "FENCE_PASSED_MAX",
    "detection_passes_total": "FACTS_MAX FACTS_PER_ROW_MAX",
    "detection_sweeps_total": "OUTAGE_MS",
    "tracking_let_go_total": "TRACKING_PER_MINUTE_MAX",
    "trials_failed_total": "REPLAY_FACTS_MAX REPLAY_QUERY_S_MAX",
    "trials_begun_total": "TRIAL_REPORTS_MAX TRIAL_S",
    # Areas on terminals.
    "areas_asked_total": "AREA_COMMANDS_MAX AREA_TERMINALS_AT_ONCE AREA_COMMAND_LOST_S",
    "areas_failed_total": "AREA_ATTEMPTS_MAX AREA_COMMAND_EXPIRES_S",
    # Whoever asks the API.
    "streams_open": "STREAMS_MAX",
    "streams_refused_total": "STREAMS_MAX STREAMS_PER_PRINCIPAL_MAX",
    "streams_sent_total": "STREAM_EVENTS",
    "live_feeds": "LIVE_FEEDS_MAX",
    "live_refused_total": "LIVE_FEEDS_MAX LIVE_FEEDS_PER_READER_MAX",
    "live_frames_total": "LIVE_CARS_PER_FRAME_MAX",
    "live_slow_total": "LIVE_SLOW_S_MAX",
    "access_waiting": "ACCESS_WAITING_MAX",
    "access_refused_total": "ACCESS_WAITING_MAX ACCESS_S_MAX",
    "api_problem_not_ready_total": "ACCESS_S_MAX QUERY_S_MAX QUERY_ROWS_MAX QUERY_MEMORY_BYTES_MAX "
    "QUERY_ANSWER_BYTES_MAX",
    "api_problem_bad_request_total": "TRACK_POINTS_MAX TRACK_THIN_M_MAX TRACK_DAYS_MAX VEHICLES_PAGE_MAX "
    "EVENTS_READ_MAX POSITIONS_READ_MAX UPLINKS_PAGE_MAX MEDIA_PAGE_MAX TERMINALS_PAGE_MAX AREAS_PAGE_MAX "
    "PEOPLE_READ_MAX TERMINALS_IMPORT_MAX RULE_NOTE_CHARACTERS_MAX PASSWORD_CHARACTERS_MAX ACCOUNT_STORES_MAX "
    "FENCE_NAME_CHARACTERS_MAX FENCE_VEHICLES_MAX",
    "api_problem_too_large_total": "COMMAND_REQUEST_BYTES_MAX TERMINALS_IMPORT_BYTES_MAX GEOJSON_BYTES_MAX",
    "api_problem_geojson_invalid_total": "FENCE_CORNERS_MAX FENCE_RADIUS_M_MAX FENCE_RADIUS_M_MIN FENCE_AREA_M2_MIN "
    "FENCE_AREA_M2_MAX FENCE_PERIMETER_M_MAX CORRIDOR_POINTS_MAX CORRIDOR_WIDTH_M_MIN CORRIDOR_WIDTH_M_MAX "
    "CORRIDOR_LENGTH_M_MAX FENCE_WINDOWS_MAX FENCE_DWELL_S_MIN FENCE_DWELL_S_MAX FENCE_SPEED_KMH_MAX "
    "FENCE_SPEED_S_MAX FENCES_MAX AREA_CORNERS_MAX AREA_ROUTE_WIDTH_M_MAX AREA_ROUTE_POINTS_MAX AREA_MS_MIN "
    "AREA_MS_END AREAS_PER_GROUP_MAX GEOJSON_FEATURES_MAX GEOJSON_CORNERS_MAX GEOJSON_REFUSALS_MAX KML_DEPTH_MAX "
    "KML_ELEMENTS_MAX KMZ_MEMBERS_MAX KMZ_RATIO_MAX",
    "api_problem_intent_refused_total": "LINKS_OF_CAR_MAX ODOMETER_M_MAX",
    "api_problem_rules_full_total": "RULE_GROUPS_MAX RULE_VERSIONS_MAX",
    "api_problem_guard_invalid_total": "ARMED_RADIUS_M_MIN ARMED_RADIUS_M_MAX",
    "api_problem_keys_full_total": "KEYS_PER_ACCOUNT_MAX",
    "api_problem_invitation_over_total": "INVITATION_S",
    "api_problem_login_locked_total": "LOGIN_FAILURES_MAX ADDRESS_FAILURES_MAX LOGIN_LOCKED_S",
    "people_locked_accounts_total": "LOGIN_FAILURES_MAX",
    "people_locked_addresses_total": "ADDRESS_FAILURES_MAX",
    "people_sessions_ended_total": "SESSIONS_PER_ACCOUNT_MAX",
    "api_problem_login_needed_total": "SESSION_IDLE_S SESSION_S_MAX",
    "people_turned_away_total": "HASHES_WAITING_MAX",
    "people_hashing": "HASHES_AT_ONCE_MAX HASHES_WAITING_MAX",
    "people_principals": "PRINCIPALS_KNOWN_MAX",
}
"""Figure, without `carillon_` -> the bounds it tells of."""

UNMETERED = {
    "BUSINESS_CACHE_ROWS_MAX": "what is let go is read again",
    "PARKED_KEYS_KNOWN_MAX": "what is not in memory is asked for",
    "PARKED_REASON_CHARACTERS_MAX": "the reason is cut; the log and /metrics say that the key is parked",
    "CATCH_UP_EVENTS": "the next transaction goes on; the start says how far it is",
    "TRUSTED_NETWORKS_MAX": "the operator is told at the start",
    "ALIVE_S_MAX": "/health/live says so, and the process is ended",
    "READY_KNOWN_S": "how old an answer of /health may be",
    "READY_S_MAX": "/health says so",
    "ACCEPT_PER_ROUND": "more are accepted in the next round; intake_links_accepted_total goes on",
    "COMMAND_REPLY_BYTES_MAX": "the event names the message that holds the rest",
    "APPROVERS": "how many must agree; the command waits until then",
    "COMMANDS_LOOKED_MAX": "the page ends early, and says where to go on",
    "VEHICLES_LOOKED_MAX": "the page ends early, and says where to go on",
    "MEDIA_WRITES_AT_ONCE": "one more waits its turn; its packets count as held",
    "MEDIA_OWED_MAX": "the oldest answer is dropped, and the item recognised when it is sent again",
    "STORE_READERS": "one more waits its turn, bounded by QUERY_S_MAX",
    "ARCHIVE_SCANS_MAX": "one more waits its turn",
    "ARCHIVE_SCAN_BYTES": "the answer says where to go on",
    "QUERY_REQUEST_BYTES_MAX": "the asker on this machine is told",
    "QUERY_REQUEST_S": "the asker on this machine is told",
    "QUERY_BACKLOG": "the asker on this machine waits in connect()",
    "BINDINGS_READ_MAX": "only the newest are shown",
    "MERGES_FOLLOWED_MAX": "two links stand where one would; the person's page shows both",
    "HELD_PAGE_MAX": "a page; the next one follows",
    "ENTRIES_PAGE_MAX": "a page; the next one follows",
    "ENTRIES_PROVED_MAX": "the answer says how many entries it has reckoned over",
    "REPLAY_ROWS": "a page; the next one follows",
    "REPLAY_LISTED_MAX": "the answer says how many more there are",
    "OUTLINES_MAX": "the answer counts the others in cells",
    "OUTLINES_LARGE_MAX": "the answer counts the others in cells",
    "OUTLINE_CORNERS_MAX": "the answer draws the others as boxes",
    "OUTLINE_CELLS_MAX": "a size: of what is counted together",
    "SUMMARY_ROWS_MAX": "stored earlier; nothing is refused",
    "UPLINK_LISTED_BYTES_MAX": "the answer says that it is cut",
    "PASSWORD_CHARACTERS_MIN": "the person is told before it is saved",
    "ADDRESSES_MAX": "the one that failed longest ago is forgotten; each account still locks",
    "OUTBOX_SEARCHED_MAX": "older ones are not found; the page says so",
    "KEY_GRACE_S": "`carillon keys show` says which keys still open",
    "PRINCIPAL_KNOWN_S": "how old what is remembered may be",
}
"""Bound -> why there is no figure."""
