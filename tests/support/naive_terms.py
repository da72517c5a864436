"""Node affinity and tolerations as the API reference of Kubernetes has them, for the plain scheduler."""


def holds(term, host):
    """A term is all of its expressions; without any it is nowhere."""
    if len(term.labels) + len(term.fields) == 0:
        return False
    for each in term.labels:
        if not _holds(each, host.labels):
            return False
    return all(_holds(each, {"metadata.name": host.name}) for each in term.fields)


def _holds(each, labels):
    there = each.key in labels
    if each.operator == "Exists":
        return there
    if each.operator == "DoesNotExist":
        return not there
    if each.operator == "In":
        return there and labels[each.key] in each.values
    if each.operator == "NotIn":
        return not there or labels[each.key] not in each.values
    if not there or not _is_number(labels[each.key]) or not _is_number(each.values[0]):
        return False
    difference = int(labels[each.key]) - int(each.values[0])
    return difference > 0 if each.operator == "Gt" else difference < 0


def _is_number(text):
    digits = text[1:] if text[:1] in {"+", "-"} else text
    return digits != "" and all(letter in "0123456789" for letter in digits)


def tolerated(taint, tolerations):
    """Whether one of them covers the taint."""
    for each in tolerations:
        if each.effect is not None and each.effect != taint.effect:
            continue
        if each.operator == "Exists":
            if each.key is None or each.key == taint.key:
                return True
        elif each.key == taint.key and (each.value or "") == taint.value:
            return True
    return False
