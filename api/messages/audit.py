"""Texts of /audit and /exports: what was looked at and done, whether it is what was written, and files let out."""

from typing import Final

MESSAGES: Final[dict[str, tuple[str, str]]] = {
    "nav_audit": ("Audit", "审计"),
    "audit_log": ("Log", "审计日志"),
    "audit_under": (
        "Who looked at what, and who did what. Every row is chained to the one before, and sealed within a minute.",
        "谁看了什么、做了什么。每条记录与前一条哈希相连，每分钟封存一次，任何改动都会被发现。",
    ),
    "audit_number": ("No.", "编号"),
    "audit_act": ("What was done", "操作"),
    "audit_about": ("About", "对象"),
    "audit_persons": ("Persons", "涉及人数"),
    "audit_status": ("Answer", "结果"),
    "audit_detail": ("Detail", "明细"),
    "audit_hash": ("Hash", "哈希"),
    "audit_search": ("Route, subject or number", "操作、对象或编号"),
    "audit_looks": ("All looks", "全部查阅"),
    "audit_none": ("Nothing yet", "暂无记录"),
    "audit_none_what": (
        "Every look at positions and persons, every change and every login stands here.",
        "查阅位置与人员、任何更改以及每次登录都会记录在此。",
    ),
    "audit_holds": (
        "The chain holds: {rows} rows were reckoned over just now.",
        "链条完整：刚刚重新核算了 {rows} 条记录。",
    ),
    "audit_sealed_to": (
        "{seals} seals in the event log agree; sealed up to row {n},",
        "与事件日志中的 {seals} 个封存印记一致，已封存至第 {n} 条，",
    ),
    "audit_unsealed": (
        "Not sealed yet: the first seal comes within a minute.",
        "尚未封存，一分钟内将生成首个封存印记。",
    ),
    "audit_broken": ("The log was tampered with at row {n}", "日志自第 {n} 条起被篡改"),
    "audit_broken_seal": ("Event {n} says otherwise.", "事件 {n} 的封存印记与之不符。"),
    "audit_broken_what": (
        "Keep the database as it is, and compare it with a backup. Everything is looked at by",
        "请保持数据库原样并与备份比对。完整校验请运行",
    ),
    "audit_fault_changed": (
        "Its content, or what stands before it, is not what its hash was made over.",
        "该条内容或其之前的记录与其哈希不符。",
    ),
    "audit_fault_missing": ("This row is gone.", "该条记录已被删除。"),
    "audit_fault_sealed": (
        "The chain was made anew: its hash is not the one that was sealed.",
        "链条曾被重写：哈希与封存时不同。",
    ),
    "audit_fault_forged": ("A seal was not made with our keys.", "封存印记不是用本系统密钥生成的。"),
    "audit_fault_unsealed": (
        "A seal over the rows from here on is gone from the event log.",
        "自此处起的封存印记已从事件日志中消失。",
    ),
    "audit_fault_end": ("The last row is not the one that was written last.", "最后一条并非最后写入的记录。"),
    "audit_row_sealed": ("Chained and sealed", "已链接并封存"),
    "audit_row_chained": ("Chained, sealed within a minute", "已链接，一分钟内封存"),
    "audit_row_broken": ("Broken here", "在此断裂"),
    "audit_row_behind": ("Behind the break: cannot be trusted", "位于断裂之后，不可信"),
    # Exports.
    "audit_exports": ("Exports", "导出审批"),
    "audit_exports_under": (
        "Every file carries who made it, when, and its number. Above {n} rows another person approves it, in {hours} h",
        "每个文件都带有导出人、时间与编号水印。超过 {n} 行须由他人在 {hours} 小时内审批。",
    ),
    "audit_ready": ("Approved: ready to be fetched, once", "已批准，可下载一次"),
    "audit_fetch": ("Fetch", "下载"),
    "audit_rows": ("{n} rows", "{n} 行"),
    "audit_let_out_by": ("approved by {who}", "审批人：{who}"),
    "audit_waits": ("{who} asks for an export", "{who} 申请导出"),
    "audit_waits_own": ("Your export waits for another person's word", "您的导出正在等待他人审批"),
    "audit_waits_what": (
        "Whoever may approve exports of your store sees it here. You fetch it on this page.",
        "有导出审批权限的同事可在此页看到该申请，批准后请回到本页下载。",
    ),
    "audit_approve": ("Approve", "批准"),
    "audit_deny": ("Deny", "拒绝"),
    "audit_asked": ("Asked", "申请时间"),
    "audit_until": ("Waits until", "审批截止"),
    "audit_listing": ("Of which page", "导出内容"),
    "audit_form": ("Form", "格式"),
    "audit_state": ("State", "状态"),
    "audit_judged": ("Judged by", "审批人"),
    "audit_export": ("Number", "文件编号"),
    "audit_sha256": ("SHA-256", "SHA-256"),
    "audit_export_waiting": ("Waits for a word", "待审批"),
    "audit_export_granted": ("May be fetched", "可下载"),
    "audit_export_denied": ("Denied", "已拒绝"),
    "audit_export_timed_out": ("Nobody judged in time", "逾期未审批"),
    "audit_export_made": ("Handed out", "已导出"),
    "audit_exports_none": ("No export yet", "还没有导出记录"),
    "audit_exports_none_what": (
        "Files of tables that you make with Export stand here.",
        "通过表格的“导出”生成的文件会列在这里。",
    ),
}
