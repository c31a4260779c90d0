"""Texts of /docs."""

from typing import Final

MESSAGES: Final[dict[str, tuple[str, str]]] = {
    "docs_title": ("The API", "接口文档"),
    "docs_what": (
        (
            "Everything under /api/v1 takes Authorization: Bearer and an API key, or the session of the portal. "
            "Each fault has a code."
        ),
        "/api/v1 下的接口须携带 Authorization: Bearer 密钥，或使用门户会话。错误应答均含错误码。",
    ),
    "docs_parameter": ("Parameter", "参数"),
    "docs_where": ("In", "位置"),
    "docs_takes": ("Takes", "取值"),
    "docs_body": ("Body:", "请求体："),
    "docs_answers": ("Answers", "应答"),
}
