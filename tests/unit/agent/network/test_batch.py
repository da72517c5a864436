from orlop_agent.network.batch import EXISTS, NO_DEVICE, Line, failures, script

LINES = [Line("netns add a", EXISTS), Line("link add b", EXISTS), Line("link delete c", NO_DEVICE), Line("d")]


def test_a_line_each():
    assert script(LINES[:2]) == "netns add a\nlink add b\n"


def test_what_is_there_or_gone_already_is_fine():
    said = (
        'Cannot create namespace file "/run/netns/a": File exists\nCommand failed -:1\n'
        "RTNETLINK answers: File exists\nCommand failed -:2\n"
        'Cannot find device "c"\nCommand failed -:3\n'
    )
    assert failures(LINES, said) == []


def test_anything_else_is_told_with_its_line():
    said = 'Error: argument "x" is wrong: Invalid "netns" value\n\nCommand failed -:4\n'
    assert failures(LINES, said) == ['d: Error: argument "x" is wrong: Invalid "netns" value ']


def test_fine_for_one_line_is_not_fine_for_another():
    assert failures(LINES, "RTNETLINK answers: File exists\nCommand failed -:3\n") == [
        "link delete c: RTNETLINK answers: File exists"
    ]


def test_a_warning_is_no_failure():
    assert failures(LINES, "Warning: The kernel knows better.\n") == []
