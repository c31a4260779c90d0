"""Texts of persons: what happens to them, the list, the dossier, the review of matches."""

from typing import Final

MESSAGES: Final[dict[str, tuple[str, str]]] = {
    "event_type_capture_requested": ("Told of a person", "客户资料上报"),
    "event_type_capture_release_requested": ("Release from quarantine asked for", "申请解除隔离"),
    "event_type_capture_accepted": ("Belongs to a person", "资料已归户"),
    "event_type_capture_quarantined": ("In quarantine: no consent", "无授权，已隔离"),
    "event_type_capture_discard_requested": ("To be thrown away", "申请丢弃资料"),
    "event_type_capture_discarded": ("Thrown away", "资料已丢弃"),
    "event_type_person_created": ("New customer", "新客户"),
    "event_type_person_linked": ("Linked to a customer", "归入客户"),
    "event_type_person_match_found": ("Perhaps the same person", "发现疑似同一客户"),
    "event_type_person_match_requested": ("Looked at two customers", "疑似客户核对"),
    "event_type_person_match_decided": ("Decided whether they are one", "核对结果"),
    "event_type_person_merge_requested": ("Merge asked for", "申请合并客户"),
    "event_type_person_merged": ("Customers merged", "客户已合并"),
    "event_type_person_unmerge_requested": ("Taking back a merge asked for", "申请撤销合并"),
    "event_type_person_unmerged": ("Merge taken back", "合并已撤销"),
    "event_type_person_verification_requested": ("Shown to be theirs", "提交核验"),
    "event_type_person_verified": ("Verified", "信息已核验"),
    "event_type_person_unreachable_requested": ("Not reached", "联系未果上报"),
    "event_type_person_unreachable": ("Not reached, counted", "联系未果"),
    "event_type_person_attribute_invalidated": ("Number or address no longer used", "联系方式失效"),
    "event_type_person_attribute_staled": ("To be verified again", "信息待重新核验"),
    "event_type_person_erasure_requested": ("Erasure asked for", "申请删除个人信息"),
    "event_type_person_erased": ("Customer erased", "个人信息已删除"),
    "event_type_household_requested": ("Household named", "登记家庭或单位"),
    "event_type_household_opened": ("Household known", "家庭或单位已建立"),
    "event_type_household_joined": ("Joined a household", "加入家庭或单位"),
    "event_type_household_dissolution_requested": ("Dissolving a household asked for", "申请解散家庭或单位"),
    "event_type_household_dissolved": ("Household dissolved", "家庭或单位已解散"),
}
