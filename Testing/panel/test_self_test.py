"""The module's own self-test, as Slicer's nightly tests run it, here over the host."""

import unittest

from host import start_host

host = start_host()


def test_the_self_test_passes() -> None:
    import slicer

    host.load_module("BreastUSAssist")
    from BreastUSAssist import BreastUSAssistTest

    result = unittest.TestResult()
    BreastUSAssistTest("runTest").run(result)
    slicer.mrmlScene.Clear(0)
    assert result.testsRun == 1
    assert result.skipped == []
    assert [text for _test, text in result.failures + result.errors] == []
