"""Composed loss: what it is at a delta is what Google's accountant says of it, to the last millionth."""

import math

from marketplace.privacy import budget
from marketplace.privacy.noise import MICRO, NANO


def test_a_loss_is_what_googles_accountant_states() -> None:
    from dp_accounting import dp_event  # noqa: PLC0415 (two seconds that this test alone needs)
    from dp_accounting.rdp import rdp_privacy_accountant  # noqa: PLC0415

    for exponent in (0, 1, 5, 9, 15):
        for rho in (0, 1, 7, 10**3, 38_275_000, 153_100_000, 2_338_209_526, 10**11, 10**13):
            accountant = rdp_privacy_accountant.RdpAccountant()
            accountant.compose(dp_event.ZCDpEvent(rho / NANO))
            stated = math.ceil(float(accountant.get_epsilon(10.0**-exponent)) * MICRO * (1 + 2**-40))
            assert budget.epsilon_micro(rho, exponent) == (stated if rho else 0), (rho, exponent)
