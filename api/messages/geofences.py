"""Texts about geofences: why one is refused, and those of its page."""

from typing import Final

from core.geofence import FAULTS

_FAULTS_ZH: Final = {
    "name_missing": "没有名称",
    "name_unusable": "名称超过 {most} 个字符，或含有无法显示的字符",
    "colour_invalid": "颜色应为 #rrggbb 或留空，当前为 {value}",
    "rings_missing": "多边形缺少外边界",
    "ring_short": "第 {ring} 环只有 {count} 个不同的顶点，至少需要 3 个",
    "corner_unreadable": "第 {ring} 环第 {corner} 个顶点不是经纬度",
    "corner_beyond": "第 {ring} 环第 {corner} 个顶点为 {lon}, {lat}：经度超出 180° 或纬度超出 90°（经度在前）",
    "corners_many": "共有 {count} 个顶点，上限为 {most}",
    "antimeridian": "从第 {ring} 环第 {corner} 个顶点出发的边跨越半个地球：围栏不能跨越 180° 经线，请在两侧各画一个",
    "wide": "范围跨越半个地球，请在两侧各画一个",
    "edges_cross": "从第 {ring} 环第 {corner} 个顶点出发的边，与从第 {other_ring} 环第 {other} 个顶点出发的边相交",
    "edges_fold": "边界在第 {ring} 环第 {corner} 个顶点处原路折回",
    "hole_outside": "第 {ring} 环是孔洞，却在外边界之外",
    "hole_in_hole": "第 {ring} 环是孔洞，却在另一孔洞（第 {other_ring} 环）之内",
    "centre_unreadable": "圆心不是经纬度",
    "centre_beyond": "圆心为 {lon}, {lat}：经度超出 180° 或纬度超出 90°（经度在前）",
    "radius_beyond": "半径为 {value} 米，应在 {least} 至 {most} 米之间",
    "area_small": "面积为 {value} 平方米；小于 {least} 平方米，不超过定位误差",
    "area_large": "面积为 {value} 平方公里，上限为 {most} 平方公里",
    "perimeter_long": "边界长 {value} 公里，上限为 {most} 公里",
    "unusable": "无法使用：{reason}",
    "feature_unreadable": "不是 GeoJSON 要素（Feature）",
    "geometry_missing": "没有几何图形",
    "geometry_unsupported": "{value} 不能作为围栏：请用 Polygon，或带 radius_m 属性的 Point",
    "radius_missing": "Point 须以属性 radius_m（米）表示圆形围栏，此处没有",
    "property_invalid": "属性 {name} 不能为 {value}",
    "repeated": "围栏 {id} 出现了两次",
    "changed": "围栏已被他人修改，当前版本为 {revision}",
    "unknown": "没有围栏 {id}",
    "vehicles_many": "指定了 {count} 辆车，上限为 {most}：请改为适用于门店的全部车辆",
    "vehicles_unknown": "没有这些车辆：{ids}",
    "vehicles_elsewhere": "这些车辆不属于围栏所在门店：{ids}",
    "store_unknown": "没有门店 {store}",
    "store_foreign": "门店 {store} 的围栏不由您修改",
    "group_only": "集团围栏只能由可查看整个集团的人员修改",
    "fences_many": "集团已有 {most} 个电子围栏，达到上限",
}

MESSAGES: Final[dict[str, tuple[str, str]]] = {
    f"fence_fault_{code}": (english, _FAULTS_ZH[code]) for code, english in FAULTS.items()
}
