"""What /metrics says of Quotas."""

from orlop_api.quota import Quota
from orlop_operator.health import Vitals, exposition
from orlop_operator.reviews import Reviews


def test_used_and_allowed_by_namespace_and_resource():
    quota = Quota.model_validate(
        {
            "metadata": {"name": "default", "namespace": "shop"},
            "spec": {"limits": {"memory": "2Gi", "floatingIPs": 3}},
            "status": {"used": {"memory": "512Mi", "floatingIPs": 2, "instances": 1}},
        }
    )
    vitals = Vitals(True, True, 0, 0, 0, 0, 0, Reviews(lambda: 0.0), (quota,))
    lines = [line for line in exposition(vitals).decode().splitlines() if line.startswith("orlop_quota_")]
    assert sum(line.startswith("orlop_quota_used") for line in lines) == 9
    assert 'orlop_quota_used{namespace="shop",resource="memory"} 5.36870912e+08' in lines
    assert 'orlop_quota_used{namespace="shop",resource="floatingIPs"} 2.0' in lines
    assert [line for line in lines if "limit" in line] == [
        'orlop_quota_limit{namespace="shop",resource="memory"} 2.147483648e+09',
        'orlop_quota_limit{namespace="shop",resource="floatingIPs"} 3.0',
    ]


def test_nothing_where_there_is_none():
    page = exposition(Vitals(False, True, 0, 0, 0, 0, 0, Reviews(lambda: 0.0))).decode()
    assert "orlop_quota_used{" not in page
