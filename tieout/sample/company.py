"""Who the sample company is: markets, legal entities, accounts, products, meters and prices.

Amounts everywhere in the sample are whole hundredths of a currency's main unit, also for the yen,
which has no smaller unit: a yen amount is a multiple of 100. Unit prices are 1e-7 of the main unit,
usage quantities 1e-3 of a unit, rated usage 1e-10 of the main unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PRICE_PLACES: Final = 7
QUANTITY_PLACES: Final = 3
RATED_PLACES: Final = PRICE_PLACES + QUANTITY_PLACES
RATED_PER_HUNDREDTH: Final = 10 ** (RATED_PLACES - 2)
PRICE_PER_HUNDREDTH: Final = 10 ** (PRICE_PLACES - 2)


@dataclass(frozen=True, slots=True)
class Market:
    """Where customers are: who bills them, in what currency, and who collects the money."""

    country: str
    entity: str
    issuer: str
    """The legal entity's own name, as the usage export and the ledger write it."""
    currency: str
    smallest: int
    """Hundredths in the smallest unit of the currency."""
    tax_percent: int
    provider: str
    """Place of settlement: a Stripe account or an Adyen merchant account."""


MARKETS: Final = (
    Market("US", "NWUS", "Northway Cloud Inc.", "USD", 1, 0, "stripe_us"),
    Market("GB", "NWUK", "Northway Cloud Ltd", "GBP", 1, 20, "stripe_uk"),
    Market("DE", "NWDE", "Northway Cloud GmbH", "EUR", 1, 19, "adyen_eur"),
    Market("JP", "NWUS", "Northway Cloud Inc.", "JPY", 100, 0, "adyen_jpy"),
)
MARKET_OF_CUSTOMER: Final = (0, 2, 1, 0, 3, 0, 2, 0, 1, 0, 2, 0, 0, 1, 2, 0, 3, 1, 0, 2)
"""Twentieths of the customers, mixed so that a handful already spans all markets."""

US, GB, DE, JP = range(4)
ENTITIES: Final = ("NWUS", "NWUK", "NWDE")
"""Legal entities; the index of a market's entity is ENTITY_OF_MARKET."""
ENTITY_OF_MARKET: Final = (0, 1, 2, 0)
CURRENCIES: Final = tuple(m.currency for m in MARKETS)
ISSUERS: Final = ("Northway Cloud Inc.", "Northway Cloud Ltd", "Northway Cloud GmbH")
STRIPE: Final = {"stripe_us": US, "stripe_uk": GB}
ADYEN: Final = {"adyen_eur": DE, "adyen_jpy": JP}
MERCHANT_ACCOUNTS: Final = {"adyen_eur": "NorthwayDE", "adyen_jpy": "NorthwayUS_JPY"}
GATEWAY_ACCOUNTS: Final = {"stripe_us": "acct_northway_us", "stripe_uk": "acct_northway_uk"}


@dataclass(frozen=True, slots=True)
class Account:
    """A ledger account; the German entity keeps a chart of its own."""

    name: str
    number: str
    german_number: str
    account_class: str | None
    """Class in the account map; None: the account is in no map."""


ACCOUNTS: Final = (
    Account("Bank", "1010", "1800", "bank"),
    Account("Payment clearing", "1090", "1460", "clearing"),
    Account("Trade receivables", "1200", "1400", "receivable"),
    Account("Sales tax payable", "2200", "3806", "tax"),
    Account("Deferred revenue", "2400", "3900", "deferred_revenue"),
    Account("Subscription revenue", "4000", "4400", "revenue"),
    Account("Usage revenue", "4100", "4410", "revenue"),
    Account("Services revenue", "4200", "4420", "revenue"),
    Account("Processing fees", "6100", "6855", "fee"),
    Account("Other provider costs", "6999", "6859", "fee"),
    Account("Write-offs and suspense", "8990", "6969", "write_off"),
    Account("Uncategorised", "1999", "1999", None),
)
(
    BANK,
    CLEARING,
    RECEIVABLE,
    TAX,
    DEFERRED,
    SUBSCRIPTION_REVENUE,
    USAGE_REVENUE,
    SERVICES_REVENUE,
    FEES,
    OTHER_COSTS,
    SUSPENSE,
    UNCATEGORISED,
) = range(len(ACCOUNTS))


@dataclass(frozen=True, slots=True)
class Product:
    """A plan with a price a seat in hundredths, by market."""

    name: str
    charge: str
    prices: tuple[int, int, int, int]
    account: int


PRODUCTS: Final = (
    Product("Starter", "Starter seats", (1900, 1500, 1800, 280_000), SUBSCRIPTION_REVENUE),
    Product("Team", "Team seats", (4900, 3900, 4500, 720_000), SUBSCRIPTION_REVENUE),
    Product("Business", "Business seats", (9950, 7950, 9150, 1_450_000), SUBSCRIPTION_REVENUE),
    Product("Annual", "Annual seats", (49_900, 39_900, 45_900, 7_300_000), DEFERRED),
    Product("Pay as you go", "Platform base", (725, 575, 675, 107_000), SUBSCRIPTION_REVENUE),
    Product("Onboarding", "Onboarding day", (95_000, 76_000, 88_000, 14_000_000), SERVICES_REVENUE),
)
ANNUAL, PAY_AS_YOU_GO, ONBOARDING = 3, 4, 5


@dataclass(frozen=True, slots=True)
class Meter:
    """Something counted and billed by the week, at a price far below a cent (1e-7), by market."""

    name: str
    unit: str
    prices: tuple[int, int, int, int]
    largest: int
    """Largest quantity of one record, in whole units."""


METERS: Final = (
    Meter("api_calls", "Requests", (425, 341, 392, 63_750), 400_000),
    Meter("storage_gb_hours", "GB-Hours", (1397, 1113, 1289, 209_471), 90_000),
)
YEN_RATE: Final = 671_000
"""Dollars for a yen, in 1e-8, about which the daily rate moves."""
