"""Frames of others for parameters, control, events, areas, the drive recorder, drivers, CAN data and multimedia.

vectors-orders.jsonl holds the frames and what their tests expect (vectors.py says how). Every value is compared under
our name; NOT_ON_WIRE, PEER_ERRORS and NOT_CANONICAL say which are not, each with its reason.
"""

import contextlib
import random
import re
from collections import Counter
from typing import Any

import pytest

from protocols.jt808.codec import Decoded, ProtocolError, decode, encode_frame
from protocols.jt808.explain import explain, explain_wire
from protocols.jt808.framing import wrap
from protocols.jt808.messages import Unknown
from protocols.jt808.parameters import value_bytes
from tests.protocols.driving import frames_of
from tests.protocols.test_explain import check_cover
from tests.protocols.vectors import (
    HEADER,
    Read,
    Row,
    follow,
    frame_of_row,
    ids_of,
    length_of,
    named,
    of_body,
    our_value,
    rows_of,
    same,
)

ROWS = rows_of("vectors-orders.jsonl")
IDS = ids_of(ROWS)


def parameter_of(decoded: Decoded, id: int) -> Any:
    return next(one for one in decoded.body.parameters if one.id == id)  # type: ignore[attr-defined]


def parameter(id: int, path: str) -> Read:
    """Read a field of a parameter's value."""
    return lambda decoded, match, _: follow(parameter_of(decoded, id).value, path, match)


def listed(path: str) -> Read:
    """Read a field of the value of the parameter at a place."""

    def read(decoded: Decoded, match: re.Match[str], _: bytes) -> Any:
        value = decoded.body.parameters[int(match["i"])].value  # type: ignore[attr-defined]
        return follow(value, path, match) if path else value

    return read


def wake_time(number: str, which: str) -> Read:
    """A peer writes hh:mm:ss, the wire has hhmm."""

    def read(decoded: Decoded, match: re.Match[str], _: bytes) -> str:
        digits = getattr(getattr(parameter_of(decoded, 0x7C).value, f"period_{number}"), which)
        return f"{digits[:2]}:{digits[2:]}:00"

    return read


BYTES_OF = {0x0018, 0x0019, 0x0021, 0x0032, 0x0110, 0x0075, 0x0076, 0x0077, 0x0079, 0x007A, 0x007B, 0x007C}
"""Parameters that one peer compares as bytes."""


def any_parameter(decoded: Decoded, match: re.Match[str], _: bytes) -> Any:
    """A parameter as text, as bytes, or as the number that its bytes make: collision and shots are one there."""
    found = parameter_of(decoded, int(match["id"], 16))
    if isinstance(found.value, str):
        return found.value
    data = value_bytes(found, decoded.header.version)
    return data if found.id in BYTES_OF else int.from_bytes(data, "big")


WIDE = {0xF364: {3: 2, 5: 2, 11: 4, 15: 4}, 0xF365: {3: 2, 5: 2, 11: 4, 15: 4, 19: 2, 21: 2, 23: 3}}
"""Bytes of the fields of two parameters that one peer calls by their offset."""


def by_offset(decoded: Decoded, match: re.Match[str], _: bytes) -> Any:
    id, offset = int(match["id"], 16), int(match["at"])
    found = parameter_of(decoded, id)
    data = value_bytes(found, decoded.header.version)
    field = data[offset : offset + WIDE[id].get(offset, 1)]
    return list(field) if (id, offset) == (0xF365, 23) else int.from_bytes(field, "big", signed=True)


def none_is_minus_one(id: int, path: str) -> Read:
    def read(decoded: Decoded, match: re.Match[str], _: bytes) -> Any:
        value = follow(parameter_of(decoded, id).value, path, match)
        return -1 if value is None else value

    return read


P = r"param_list\[(?P<i>\d+)\]\."
C = r"custom_param_list\[(?P<i>\d+)\]\."

ADAS = {
    "alarm_judge_speed_threshold": "speed_min_kmh",
    "warning_volume": "volume",
    "active_photography_strategy": "auto_shots",
    "actively_time_photo_interval": "auto_interval_s",
    "active_distance_photography_distance_interval": "auto_distance_m",
    "single_initiative_photos": "auto_photos",
    "single_initiative_photos_interval": "auto_photo_interval_s10",
    "photo_resolution": "photo_size",
    "video_recording_resolution": "video_size",
    "alarm_enable": "alarms",
    "event_enable": "events",
    "placeholder1": "reserved_19",
    "placeholder2": "reserved_52",
    "distance_threshold_obstacle_alarm": "obstacle_time_s10",
    "hierarchical_speed_threshold_obstacle_alarm": "obstacle.level_speed_kmh",
    "video_recording_time_before_and_after_obstacle_alarm": "obstacle.video_s",
    "barrier_alarm_photographs": "obstacle.photos",
    "obstacle_alarm_interval": "obstacle.photo_interval_s10",
    "frequent_channel_change_alarm_judgment_time_period": "lane_change_period_s",
    "frequent_alarm_judgment_number_channel_change": "lane_change_times",
    "hierarchical_speed_threshold_frequent_channel_change_alarm": "lane_change.level_speed_kmh",
    "video_recording_time_before_and_after_frequent_lane_change_alarm": "lane_change.video_s",
    "frequent_channel_change_alarm_photos": "lane_change.photos",
    "frequent_lane_change_alarm_interval": "lane_change.photo_interval_s10",
    "graded_speed_threshold_lane_deviation_alarm": "departure.level_speed_kmh",
    "video_recording_time_before_and_after_lane_departure_alarm": "departure.video_s",
    "lane_departure_alarm_photo": "departure.photos",
    "lane_departure_alarm_photo_interval": "departure.photo_interval_s10",
    "forward_collision_warning_time_threshold": "forward_time_s10",
    "hierarchical_speed_threshold_forward_collision_warning": "forward.level_speed_kmh",
    "video_recording_time_before_and_after_forward_collision_alarm": "forward.video_s",
    "forward_collision_alarm_photographs": "forward.photos",
    "forward_collision_alarm_interval": "forward.photo_interval_s10",
    "pedestrian_collision_alarm_time_threshold": "pedestrian_time_s10",
    "pedestrian_collision_alarm_enabling_speed_threshold": "pedestrian.level_speed_kmh",
    "video_recording_time_before_and_after_pedestrian_collision_alarm": "pedestrian.video_s",
    "pedestrian_collision_alarm_photos": "pedestrian.photos",
    "pedestrian_collision_alarm_interval": "pedestrian.photo_interval_s10",
    "vehicle_distance_monitoring_alarm_distance_threshold": "distance_time_s10",
    "vehicle_distance_monitoring_and_alarm_classification_speed_threshold": "distance.level_speed_kmh",
    "video_recording_time_before_and_after_alarm_vehicle_proximity": "distance.video_s",
    "alarm_photo_vehicle_close_distance": "distance.photos",
    "alarm_photo_vehicle_close_distance_interval": "distance.photo_interval_s10",
    "road_sign_recognition_photographs": "sign_photos",
    "road_sign_recognition_photographs_interval": "sign_photo_interval_s10",
}
DRIVER_WATCH = {
    "time_interval_smoking_alarm_judgment": "smoking_interval_s",
    "call_alarm_determine_time_interval": "phone_interval_s",
    "reserve": "reserved_23",
    "graded_speed_threshold_fatigue_driving_alarm": "fatigue.level_speed_kmh",
    "video_recording_time_before_and_after_fatigue_driving_alarm": "fatigue.video_s",
    "fatigue_driving_alarm_photograph": "fatigue.photos",
    "fatigue_driving_alarm_photograph_interval": "fatigue.photo_interval_s10",
    "classified_speed_threshold_call_alarm": "phone.level_speed_kmh",
    "video_recording_time_before_and_after_call_alarm": "phone.video_s",
    "call_alarm_take_pictures_driver_facial_features": "phone.photos",
    "call_alarm_take_pictures_driver_facial_features_interval": "phone.photo_interval_s10",
    "classified_speed_threshold_smoking_alarm": "smoking.level_speed_kmh",
    "video_recording_time_before_and_after_smoking_alarm": "smoking.video_s",
    "smoking_alarm_photographs_driver_face_characteristics": "smoking.photos",
    "smoking_alarm_photographs_driver_face_characteristics_interval": "smoking.photo_interval_s10",
    "classified_speed_threshold_distracted_driving_alarm": "distraction.level_speed_kmh",
    "video_recording_time_before_and_after_distracted_driving_alarm": "distraction.video_s",
    "distracted_driving_alarm_photography": "distraction.photos",
    "distracted_driving_alarm_photography_interval": "distraction.photo_interval_s10",
    "classified_speed_threshold_abnormal_driving_behavior": "abnormal.level_speed_kmh",
    "video_recording_time_abnormal_driving_behavior": "abnormal.video_s",
    "photographs_abnormal_driving_behavior": "abnormal.photos",
    "picture_interval_abnormal_driving_behavior": "abnormal.photo_interval_s10",
    "driver_identification_trigger": "identity",
    "classified_speed_threshold_camera_occlusion": "lens_speed_kmh",
    **{
        f"{theirs}_{kind}": f"{ours}.{field}"
        for kind, ours in (
            ("not_buckle_up", "belt"),
            ("infrared_sunglasses_blocking_failure", "glasses"),
            ("double_hander_off", "hands_off"),
            ("play_mobile", "phone_play"),
        )
        for theirs, field in (
            ("classified_speed_threshold", "level_speed_kmh"),
            ("video_recording_time", "video_s"),
            ("photographs", "photos"),
            ("picture_interval", "photo_interval_s10"),
        )
    },
}
TYRES = {
    "tyre_specification_type": "tyre",
    "tyre_pressure_unit": "pressure_unit",
    "normal_fetal_pressure": "normal",
    "threshold_unbalanced_tire_pressure": "unbalance_percent",
    "slow_leakage_threshold": "slow_leak_percent",
    "low_voltage_threshold": "low",
    "high_voltage_threshold": "high",
    "high_temperature_threshold": "hot_c",
    "voltage_threshold": "battery_percent",
    "timed_reporting_interval": "report_interval_s",
    "rear_approach_alarm_time_threshold": "rear_s",
    "lateral_rear_approach_alarm_time_threshold": "side_s",
}
CAN = {
    "collect_time_interval": "sampling_ms",
    "channel_no": "channel",
    "frame_type": "extended",
    "collect_way": "computed",
    "bus_id": "can_id",
}
VIDEO_SMALLCHI = {
    "rts_encode_mode": "live_coding",
    "rts_resolution": "live_size",
    "rts_kf_interval": "live_key_interval_frames",
    "rts_target_fps": "live_rate_fps",
    "rts_target_code_rate": "live_rate_kbps",
    "stream_store_encode_mode": "stored_coding",
    "stream_store_resolution": "stored_size",
    "stream_store_kf_interval": "stored_key_interval_frames",
    "stream_store_target_fps": "stored_rate_fps",
    "stream_store_target_code_rate": "stored_rate_kbps",
    "osd": "overlay",
    "audio_output_enabled": "audio",
}
VIDEO_YEZHIHAO = {
    "realtime_encode": "live_coding",
    "realtime_resolution": "live_size",
    "realtime_frame_interval": "live_key_interval_frames",
    "realtime_frame_rate": "live_rate_fps",
    "realtime_bit_rate": "live_rate_kbps",
    "storage_encode": "stored_coding",
    "storage_resolution": "stored_size",
    "storage_frame_interval": "stored_key_interval_frames",
    "storage_frame_rate": "stored_rate_fps",
    "storage_bit_rate": "stored_rate_kbps",
    "ods_config": "overlay",
    "audio_enabled": "audio",
}

PARAMETER_READS: list[tuple[str, Read]] = [
    (r"answer_params_count|respond_param_count|param_total|parameter_count", length_of("parameters")),
    (r"parameter_count@0x8106", length_of("ids")),
    (r"(parameters|id)@0x8106", of_body("ids")),
    (P + "param_id", lambda d, m, f: d.body.parameters[int(m["i"])].id),  # type: ignore[attr-defined]
    (
        P + "param_length",
        lambda d, m, f: len(value_bytes(d.body.parameters[int(m["i"])], d.header.version)),  # type: ignore[attr-defined]
    ),
    (P + "param_value", listed("")),
    (P + "retain@SmallChi", lambda d, m, f: value_bytes(d.body.parameters[0], 2019)[-tail_of(d) :]),  # type: ignore[attr-defined]
    *((P + theirs, listed(ours)) for table in (ADAS, DRIVER_WATCH, TYRES, CAN) for theirs, ours in table.items()),
    *((C + theirs, listed(ours)) for theirs, ours in VIDEO_SMALLCHI.items()),
    *((rf"parameters\.0x75\.{theirs}", parameter(0x75, ours)) for theirs, ours in VIDEO_YEZHIHAO.items()),
    (r"parameters\.0x79\.storage_threshold", parameter(0x79, "storage_percent")),
    (r"parameters\.0x79\.duration", parameter(0x79, "longest_min")),
    (r"parameters\.0x79\.start_time", parameter(0x79, "before_min")),
    (r"parameters\.0x7B\.overload_threshold", parameter(0x7B, "seats")),
    (r"parameters\.0x7B\.fatigue_threshold", parameter(0x7B, "fatigue_threshold")),
    (r"parameters\.0x7C\.mode", parameter(0x7C, "ways")),
    (r"parameters\.0x7C\.condition_type", parameter(0x7C, "conditions")),
    (r"parameters\.0x7C\.day_of_week", parameter(0x7C, "weekdays")),
    (r"parameters\.0x7C\.time_flag", parameter(0x7C, "periods")),
    *((rf"parameters\.0x7C\.wake_time{n}", wake_time(n, "wake")) for n in "1234"),
    *((rf"parameters\.0x7C\.sleep_time{n}", wake_time(n, "sleep")) for n in "1234"),
    (r"parameters\.0x(?P<id>F36[45])\.p(?P<at>\d\d)", by_offset),
    (r"parameters\.0xF367\.rear_approach_alarm_time_threshold", none_is_minus_one(0xF367, "rear_s")),
    (r"parameters\.0xF367\.rear_side_approach_alarm_time_threshold", none_is_minus_one(0xF367, "side_s")),
    (r"param\.0x(?P<id>[0-9A-F]{4})", any_parameter),
]


def tail_of(decoded: Decoded) -> int:
    """How many bytes the last, reserved field of an active-safety parameter has."""
    return {0xF365: 2, 0xF366: 6}[decoded.body.parameters[0].id]  # type: ignore[attr-defined]


def location_reads(prefix: str, path: str) -> list[tuple[str, Read]]:
    """Return the reads of a location's head at a path of ours."""
    fields = {
        "alarm_flags": "alarm",
        "status_flags": "status",
        "latitude": "latitude",
        "longitude": "longitude",
        "altitude": "altitude_m",
        "speed": "speed_kmh10",
        "direction": "course_deg",
        "time": "time_ms",
    }
    return [(prefix + theirs, of_body(f"{path}.{ours}")) for theirs, ours in fields.items()]


B = r"jt808_car_dvr_(?:up|down)_package\.bodies\."
U = B + r"jt808_car_dvr_up_0x\d\d_\w+\[(?P<i>\d+)\]\."
SECOND = r"jt808_car_dvr_up_0x\d\d_\w+\[(?P<j>\d+)\]\."

RECORDER_READS: list[tuple[str, Read]] = [
    (r"command_id", lambda d, m, f: d.body.asked),  # type: ignore[attr-defined]
    (r"jt808_car_dvr_down_package\.command_id", of_body("block.command")),
    (r"jt808_car_dvr_up_package\.begin", lambda d, m, f: d.body.block.head or 0x557A),  # type: ignore[attr-defined]
    (r"jt808_car_dvr_up_package\.keep_fields", of_body("block.reserved")),
    (r"jt808_car_dvr_up_package\.error_flag", lambda d, m, f: d.body.block.command in (0xFA, 0xFB)),  # type: ignore[attr-defined]
    (B + "modify_number", of_body("block.standard.amendment")),
    (B + "standard_year", of_body("block.standard.year")),
    (B + "driver_license_no", of_body("block.licence")),
    (B + "first_mileage", lambda d, m, f: str(d.body.block.mileage.initial_km10)),  # type: ignore[attr-defined]
    (B + "total_milage", lambda d, m, f: str(d.body.block.mileage.total_km10)),  # type: ignore[attr-defined]
    (B + "pulse_coefficient", of_body("block.pulses.pulses_per_km")),
    (B + "vehicle_no", of_body("block.vehicle.plate")),
    (B + "vehicle_type", of_body("block.vehicle.plate_class")),
    (B + "vin", of_body("block.vehicle.vin")),
    (B + "signal_operate", of_body("block.signals.signal_bytes")),
    *(
        (B + theirs, of_body(f"block.signals.names.signal_{bit}"))
        for bit, theirs in enumerate(
            ["d0", "d1", "d2", "near_light", "far_light", "right_turn", "left_turn", "brake"],
        )
    ),
    (B + "certified_product_models", of_body("block.recorder.model")),
    (B + "production_plant_ccc_certification_code", of_body("block.recorder.certificate")),
    (B + "product_production_flow_number", lambda d, m, f: d.body.block.recorder.number.decode()),  # type: ignore[attr-defined]
    (B + "reversed", lambda d, m, f: d.body.block.recorder.reserved.rstrip(b"\x00").decode()),  # type: ignore[attr-defined]
    (U + SECOND + "avg_speed_after_start_time@0x0700", lambda d, m, f: speed_of(d, m)),
    (U + SECOND + "status_signal_after_start_time", of_body("block.speeds[i].seconds[j].signals")),
    (U + SECOND + "gps_lat", of_body("block.positions[i].minutes[j].latitude")),
    (U + SECOND + "gps_lng", of_body("block.positions[i].minutes[j].longitude")),
    (U + SECOND + "height", of_body("block.positions[i].minutes[j].height_m")),
    (U + SECOND + "record_speed", of_body("block.speed_states[i].seconds[j].recorder_kmh")),
    (U + SECOND + "reference_speed", of_body("block.speed_states[i].seconds[j].reference_kmh")),
    (U + "speed_status", of_body("block.speed_states[i].state")),
    (U + "gps_start_lat", of_body("block.over_time[i].start.latitude")),
    (U + "gps_start_lng", of_body("block.over_time[i].start.longitude")),
    (U + "start_height", of_body("block.over_time[i].start.height_m")),
    (U + "gps_end_lat", of_body("block.over_time[i].end.latitude")),
    (U + "gps_end_lng", of_body("block.over_time[i].end.longitude")),
    (U + "end_height", of_body("block.over_time[i].end.height_m")),
    (
        U + "driver_license_no",
        lambda d, m, f: (d.body.block.over_time or d.body.block.logins)[int(m["i"])].licence,  # type: ignore[attr-defined]
    ),
    (U + "login_type", of_body("block.logins[i].kind")),
    (U + "event_type", of_body("block.changes[i].command")),
    (B + "count", of_body("block.range.blocks_max")),
]


def speed_of(decoded: Decoded, match: re.Match[str]) -> int:
    block = decoded.body.block  # type: ignore[attr-defined]
    outer = block.speeds[int(match["i"])].seconds if block.speeds else block.positions[int(match["i"])].minutes
    return int(outer[int(match["j"])].speed_kmh)


MESSAGE = [
    (0x0107, {
        "device_type": "kind", "manufacturer_id": "maker", "terminal_model": "model", "terminal_id": "terminal_id",
        "iccid|traccar.attribute.iccid": "iccid", "hardware_version": "hardware", "firmware_version": "firmware",
        "gnss_attribute": "gnss", "network_attribute": "radio",
    }),
    (0x0108, {"upgrade_result|result": "result", "upgrade_type|type": "target"}),
    (0x0301, {"event_id": "event_id"}),
    (0x0302, {"answer_id": "answer_id", "reply_s_no|reply_serial_number|serial_number": "reply_serial"}),
    (0x0303, {"flag|action": "ordered", "information_type|type": "info_id"}),
    (0x0500, {
        "jt808_0x0200.additional.0x01.mileage": "location.items[0].distance_km10",
        "jt808_0x0200.additional.0x02.oil": "location.items[1].volume_l10",
    }),
    (0x0702, {
        "ic_card_status|status": "state", "ic_card_plug_date_time|time": "time_ms",
        "ic_card_read_result|card_status": "result", "driver_user_name|name": "name",
        "qualification_code|license_no": "certificate", "license_issuing|institution": "issuer",
        "license_valid_period": "valid_until", "driver_identity_card|id_card": "id_card",
        "face_match_value.value": "face_match_percent", "uid": "face_id",
    }),
    (0x0705, {"items[i].id": "frames[i].id", "items[i].data": "frames[i].data"}),
    (0x0800, {
        "multimedia_id|id": "media_id", "multimedia_type|type": "kind",
        "multimedia_coding_format|format|multimedia_format_encode": "format",
        "event_item_coding|event|event_item_encode": "event", "channel_id": "channel",
    }),
    (0x0801, {
        "multimedia_id|id": "media_id", "multimedia_type|type": "kind",
        "multimedia_coding_format|format|multimedia_format_encode": "format",
        "event_item_coding|event|event_item_encode": "event", "channel_id": "channel",
        "multimedia_data_package|packet": "data",
    }),
    (0x0802, {
        "multimedia_item_count": "total", "items[i].id|multimedia_search_items[i].multimedia_id": "items[i].media_id",
        "items[i].type|multimedia_search_items[i].multimedia_type": "items[i].kind",
        "items[i].channel_id|multimedia_search_items[i].channel_id": "items[i].channel",
        "items[i].event|multimedia_search_items[i].event_item_coding": "items[i].event",
    }),
    (0x0805, {"multimedia_ids|id": "media_ids"}),
    (0x8105, {"command_word|command": "command", "parameter": "parameters"}),
    (0x8108, {"type": "target", "manufacturer_id": "maker", "version": "release", "packet": "data"}),
    (0x8202, {
        "interval|time_interval": "interval_s", "location_tracking_validity|validity_period|track_validity": "valid_s",
    }),
    (0x8203, {"alarm_msg_num": "alarm_serial", "manual_confirm_alarm_type": "kinds"}),
    (0x8301, {
        "setting_type|type": "kind", "event_items[i].event_id|events[i].id": "events[i].id",
        "event_items[i].event_content|events[i].content": "events[i].text",
    }),
    (0x8302, {
        "sign|flag": "flags", "content|question_content": "text",
        "options[i].id|answer_list[i].answer_id": "answers[i].id",
        "options[i].content|answer_list[i].answer_content": "answers[i].text",
    }),
    (0x8303, {
        "setting_type|type": "kind", "information_items[i].information_type|infos[i].type": "items[i].id",
        "information_items[i].information_name|infos[i].name": "items[i].name",
    }),
    (0x8304, {"information_type|type": "info_id", "information_content|content": "text"}),
    (0x8400, {"type": "kind", "phone_number": "number"}),
    (0x8401, {
        "setting_telephone_book|type": "kind",
        "jt808_contact_properties[i].phone_number|contacts[i].phone": "contacts[i].number",
        "jt808_contact_properties[i].telephone_book_contact_type|contacts[i].sign": "contacts[i].kind",
        "jt808_contact_properties[i].contact|contacts[i].name": "contacts[i].name",
    }),
    (0x8500, {
        "control_flag": "flags", "control_types[i].control_type_id": "controls[i].kind",
        "control_types[i].control_type_parameter": "controls[i].value",
    }),
    (0x8600, {
        "setting_area_property|action": "setting", "area_items[i].area_id|items[i].id": "circles[i].id",
        "area_items[i].area_property|items[i].attribute": "circles[i].attributes",
        "area_items[i].center_point_lat|items[i].latitude": "circles[i].latitude",
        "area_items[i].center_point_lng|items[i].longitude": "circles[i].longitude",
        "area_items[i].radius|items[i].radius": "circles[i].radius_m",
        "area_items[i].start_time|items[i].start_time": "circles[i].start_ms",
        "area_items[i].end_time|items[i].end_time": "circles[i].end_ms",
        "area_items[i].highest_speed|items[i].max_speed": "circles[i].speed_kmh",
        "area_items[i].overspeed_duration|items[i].duration": "circles[i].overspeed_s",
        "items[i].night_max_speed": "circles[i].night_speed_kmh", "items[i].name": "circles[i].name",
    }),
    (0x8602, {
        "action": "setting", "items[i].id": "rectangles[i].id", "items[i].attribute": "rectangles[i].attributes",
        "items[i].latitude_ul": "rectangles[i].upper_latitude", "items[i].longitude_ul": "rectangles[i].left_longitude",
        "items[i].latitude_lr": "rectangles[i].lower_latitude",
        "items[i].longitude_lr": "rectangles[i].right_longitude", "items[i].start_time": "rectangles[i].start_ms",
        "items[i].end_time": "rectangles[i].end_ms", "items[i].max_speed": "rectangles[i].speed_kmh",
        "items[i].duration": "rectangles[i].overspeed_s",
    }),
    (0x8604, {
        "area_id|id": "id", "area_property|attribute": "attributes", "highest_speed|max_speed": "speed_kmh",
        "overspeed_duration|duration": "overspeed_s", "start_time": "start_ms", "end_time": "end_ms",
        "peak_items[i].latitude|points[i].latitude": "vertices[i].latitude",
        "peak_items[i].longitude|points[i].longitude": "vertices[i].longitude",
        "night_max_speed": "night_speed_kmh", "name": "name",
    }),
    (0x8606, {
        "route_id|id": "id", "route_property|attribute": "attributes", "start_time": "start_ms", "end_time": "end_ms",
        "inflection_point_items[i].inflection_point_id|items[i].id": "points[i].id",
        "inflection_point_items[i].inflection_point_lat|items[i].latitude": "points[i].latitude",
        "inflection_point_items[i].inflection_point_lng|items[i].longitude": "points[i].longitude",
        "inflection_point_items[i].section_driving_under_threshold|items[i].lower_limit": "points[i].shortest_s",
        "inflection_point_items[i].section_highest_speed|items[i].max_speed": "points[i].speed_kmh",
        "inflection_point_items[i].section_id|items[i].route_id": "points[i].section_id",
        "inflection_point_items[i].section_long_driving_threshold|items[i].upper_limit": "points[i].longest_s",
        "inflection_point_items[i].section_overspeed_duration|items[i].duration": "points[i].overspeed_s",
        "inflection_point_items[i].section_property|items[i].attribute": "points[i].attributes",
        "inflection_point_items[i].section_width|items[i].width": "points[i].width_m",
        "inflection_point_items[i].night_maximum_speed.value|items[i].night_max_speed": "points[i].night_speed_kmh",
        "route_name|name": "name",
    }),
    (0x8608, {"query_type|type": "kind", "ids[i]": "ids[i]", "id": "ids"}),
    (0x8800, {"multimedia_id|media_id": "media_id"}),
    (0x8801, {
        "channel_id": "channel", "shooting_command|command|shoot_command": "command",
        "video_time|time|photo_interval_or_video_time": "interval_s", "save_flag|save": "store",
        "resolution": "resolution", "video_quality|quality": "quality", "lighting|brightness|intensity": "brightness",
        "contrast": "contrast", "saturability|saturation": "saturation", "chroma": "chroma",
    }),
    (0x8802, {
        "channel_id": "channel", "event_item_coding|event": "event", "multimedia_type|type": "kind",
        "start_time": "start_ms", "end_time": "end_ms",
    }),
    (0x8803, {
        "channel_id": "channel", "event_item_coding|event": "event", "multimedia_type|type": "kind",
        "start_time": "start_ms", "end_time": "end_ms", "multimedia_deleted|delete": "delete",
    }),
    (0x8804, {
        "record_cmd|command": "command", "record_time|time": "time_s", "record_save|save": "store",
        "audio_sample_rate|audio_sampling_rate": "rate",
    }),
]  # fmt: skip
"""Message -> the peers' names of a field, apart by |, and ours; [i] is a place in a list."""


def pattern_of(name: str) -> str:
    return re.escape(name).replace(r"\[i\]", r"\[(?P<i>\d+)\]")


READ: list[tuple[str, Read]] = [
    *(
        (f"{pattern_of(each)}@{id:#06x}", of_body(ours))
        for id, names in MESSAGE
        for theirs, ours in names.items()
        for each in theirs.split("|")
    ),
    *HEADER,
    *PARAMETER_READS,
    *RECORDER_READS,
    *location_reads(r"(?:jt808_0x0200|position|location)\.", "location"),
    *location_reads(r"(?:items|multimedia_search_items)\[(?P<i>\d+)\]\.(?:position|location)\.", "items[i].location"),
    ("reply_serial_number", of_body("reply_serial")),
    ("result", of_body("result")),
    ("total@0x0705", length_of("frames")),
    ("time@0x0705", lambda d, m, f: d.body.time[:6]),  # type: ignore[attr-defined]
    ("electronic_waybill_length", length_of("content")),
    (r"certificate_expires_date", lambda d, m, f: date_of(d.body.valid_until)),  # type: ignore[attr-defined]
    ("multimedia_id_count", length_of("media_ids")),
    ("setting_count|event_items.count", length_of("events")),
    (r"event_items\[(?P<i>\d+)\]\.event_content_length", length_of("events[i].text")),
    ("question_content_len", length_of("text")),
    (r"answer_list\[(?P<i>\d+)\]\.answer_content_len", length_of("answers[i].text")),
    (r"information_items\[(?P<i>\d+)\]\.information_length", length_of("items[i].name")),
    ("information_length", length_of("text")),
    ("contact_count", length_of("contacts")),
    ("control_type_count", length_of("controls")),
    ("type@0x8500", lambda d, m, f: d.body.flags if d.body.flags is not None else d.body.controls[0].kind),  # type: ignore[attr-defined]
    (r"param@0x8500", of_body("controls[0].value")),
    ("area_count@0x8600", length_of("circles")),
    (r"(area_count|id\.count)@0x860[1357]", length_of("ids")),
    (r"area_ids\[(?P<i>\d+)\]", of_body("ids[i]")),
    (r"id@0x860[1357]", of_body("ids")),
    ("count@0x8608", length_of("ids")),
    (r"peak_items\.count", length_of("vertices")),
    (r"inflection_point_items\.count", length_of("points")),
    ("retransmit_package_count", lambda d, m, f: len(d.body.missing or ())),  # type: ignore[attr-defined]
    # One peer keeps the indexes as the bytes they came in.
    (
        "retransmit_package_ids",
        lambda d, m, f: [byte for one in d.body.missing or () for byte in one.to_bytes(2, "big")] or None,
    ),  # type: ignore[attr-defined]
    ("id@0x8800", of_body("missing")),
    (r"p0x8302_text_flag_details\.urgent", lambda d, m, f: bool(d.body.flags & 1)),  # type: ignore[attr-defined]
    (r"p0x8302_text_flag_details\.tts", lambda d, m, f: bool(d.body.flags >> 3 & 1)),  # type: ignore[attr-defined]
    (r"p0x8302_text_flag_details\.advertising_screen", lambda d, m, f: bool(d.body.flags >> 4 & 1)),  # type: ignore[attr-defined]
    (r"p0x8302_text_flag_details\.bit(?P<bit>\d)_reserve", lambda d, m, f: bool(d.body.flags >> int(m["bit"]) & 1)),  # type: ignore[attr-defined]
    ("body@0x8104", lambda d, m, f: d.tail or None),
]


def date_of(digits: str) -> str:
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]} 00:00:00"


NOT_ON_WIRE = [
    r"(items\[\d+\]\.)?location\.(message_id|properties|protocol_version|serial_number|verified)@.*",
    r"header\.protocol_version@201[13]",
    r"param_list@.*",  # the peer's test wants none of its own classes, and has one
    r"path@.*",  # where the peer keeps its frame
    r"reply_hex@.*",
    r"(age|sex)[12]@.*",  # 0x0091, 0x0093: messages that a peer's demo makes up
    r"(reply_serial_number|message_type|message)@0x0304@.*",  # another maker's use of the id (section 16)
    r"param@0x8500@2013",  # one class for both editions; 2013 has flags alone
]
"""Patterns of name@version or name@message@version."""

PEER_ERRORS: list[tuple[str, str, str]] = [
    (
        "Test_Deserilize_0x82,Test7",
        r"jt808_car_dvr_down_package\.bodies\..*",
        "section 7: the kind of plate has 12 bytes in 82, the peer sends 10",
    ),
    (
        "7E0705002B1234567890120001",
        "time",
        "section 8: BCD5 hh mm ss and four digits of milliseconds, the peer has hhmmss behind zeros",
    ),
    (
        "7E0705402B0112345678901234567890FFFF",
        "time",
        "section 8: BCD5 hh mm ss and four digits of milliseconds, the peer has hhmmss behind zeros",
    ),
    ("7E8302000E001256256927001CFF", "flag", "section 5: the flags are byte 0, the peer leaves its field unset"),
]
"""(test or beginning of the frame, names, why): values we hold to be wrong, with the paragraph that says so."""

NOT_CANONICAL = {
    "Test_2019_5": "an ID card and a face's number padded with 0x00 in front (section 2: behind in practice)",
    "Test_2019_1": "an issuer padded with 0x00 inside, an ID card of 19 characters in a field of 20",
    "7E08020042013800138000000130510002": "2011 without the number of items in this packet; written with it",
    "7E8105004801": "the peer writes numbers in binary into the text of 0x8105 (section 2: decimal text)",
    "7E8105002A01": "the peer writes numbers in binary into the text of 0x8105 (section 2: decimal text)",
    "7E84000015": "a number padded with 0x00 behind (section 5: text to the end)",
    "7E84004015": "a number padded with 0x00 behind (section 5: text to the end)",
    "7E85004003": "one command without its count (section 17.2); written with it",
    "7E0107407F": "a maker of 11 zero bytes (section 17.2); an empty one is written in 5",
}
"""Frames, by how they begin or by test, that are not written to the same bytes."""


def read(row: Row) -> Decoded:
    return decode(frame_of(row), 2011 if row["version"] == "2011" else None)


def frame_of(row: Row) -> bytes:
    return frame_of_row(row)


def skipped(row: Row, name: str) -> str:
    """Return why a value is not compared: 'not on wire', 'peer error', or ''."""
    for subject in (f"{name}@{row['version']}", f"{name}@{row['msg_id']}@{row['version']}"):
        if any(re.fullmatch(pattern, subject) for pattern in NOT_ON_WIRE):
            return "not on wire"
    for key, names, _ in PEER_ERRORS:
        if named(row, [key]) and re.fullmatch(names, name):
            return "peer error"
    return ""


# --- tests ------------------------------------------------------------------------------------------------------------


def is_headless(row: Row) -> bool:
    return len(frame_of(row)) < 12


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_every_expected_value(row: Row) -> None:
    if is_headless(row):
        with pytest.raises(ProtocolError):
            read(row)
        return
    decoded = read(row)
    assert decoded.header.phone == (row["phone_bcd"].upper().lstrip("0") or "0")
    assert decoded.header.serial == row["serial"]
    for name, expected in row["expect"].items():
        if not skipped(row, name):
            ours = our_value(READ, decoded, name, frame_of(row), row)
            assert same(name, expected, ours), f"{name}: {expected!r}, ours {ours!r}"


def test_peer_errors_are_few() -> None:
    counts = Counter(skipped(row, name) or "compared" for row in ROWS for name in row["expect"])
    assert counts["compared"] > 2000
    assert counts["peer error"] <= 0.02 * (counts["compared"] + counts["peer error"]), counts
    for key, _, why in PEER_ERRORS:
        assert any(named(row, [key]) for row in ROWS), key
        assert why.startswith("section ")


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_canonical_frames_are_written_to_the_same_bytes(row: Row) -> None:
    if is_headless(row):
        return
    decoded = read(row)
    again = encode_frame(decoded.body, decoded.header)
    if row["length_ok"] and not decoded.tail:
        assert (again == frame_of(row)) == (not named(row, NOT_CANONICAL))


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_explain_names_every_byte(row: Row) -> None:
    answer = explain(row["hex"])
    check_cover(answer, bytes.fromhex(row["hex"]))
    assert ("error" in answer) == (not row["checksum_ok"] or is_headless(row))


def test_every_frame_cut_at_every_byte() -> None:
    for row in ROWS:
        wire = bytes.fromhex(row["hex"])
        expected = frames_of(wire)
        for cut in range(len(wire) + 1):
            assert frames_of(wire[:cut], wire[cut:]) == expected, f"{cut=} {wire.hex()}"


def test_every_body_cut_at_every_byte_is_read() -> None:
    for row in {row["hex"]: row for row in ROWS if len(row["hex"]) < 300 and not is_headless(row)}.values():
        frame = frame_of(row)
        for cut in range(12, len(frame)):
            with contextlib.suppress(ProtocolError):
                decode(frame[:cut])


def test_mutated_frames_are_read_explained_and_written_without_an_exception() -> None:
    chance = random.Random(808)
    frames = [frame_of(row) for row in ROWS if len(row["hex"]) < 500 and not is_headless(row)]
    for _ in range(1_000):
        frame = bytearray(chance.choice(frames))
        for _ in range(chance.randint(1, 4)):
            frame[chance.randrange(12, len(frame)) if len(frame) > 12 else 11] = chance.choice(
                (0, 1, 0x3B, 0x7D, 0x7E, 0xFF, chance.randrange(256))
            )
        try:
            decoded = decode(bytes(frame))
        except ProtocolError:
            continue
        wire = wrap(bytes(frame))
        check_cover(explain_wire(wire), wire)
        with contextlib.suppress(ValueError):
            # What was read can be said again, or cannot be a body at all: a name of 300 bytes out of rubbish.
            encode_frame(decoded.body, decoded.header)


def test_a_peer_s_own_messages_stay_bytes() -> None:
    strangers = [read(row) for row in ROWS if row["msg_id"] in ("0x0091", "0x0093", "0x0304")]
    assert len(strangers) == 4
    assert all(isinstance(decoded.body, Unknown) for decoded in strangers)
