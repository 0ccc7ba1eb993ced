"""The usage export: FOCUS 1.0 with a column of ours for the legal entity, a file an hour."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl

from tieout.sample import usage
from tieout.sample.business import CYCLE_DAYS, customer_ref, subscription_ref
from tieout.sample.company import (
    CURRENCIES,
    ENTITIES,
    ENTITY_OF_MARKET,
    MARKETS,
    METERS,
    PRICE_PLACES,
    QUANTITY_PLACES,
    RATED_PLACES,
)
from tieout.sample.draws import chosen
from tieout.sample.extracts import shown_time
from tieout.sample.files import (
    SLICE_ROWS,
    Flaws,
    decimals,
    hour_file,
    write_manifest,
    write_texts,
)


def write_usage(
    out: Path, day: date, records: pl.DataFrame, hours: Mapping[int, Flaws]
) -> dict[int, int]:
    """Write a day's usage records in FOCUS 1.0, a file for each of the hours; return their rows."""
    currency = chosen(CURRENCIES, pl.col("market")).alias("currency")
    sums = records.group_by("hour", currency).agg(pl.col("rated").sum()).sort("hour", "currency")
    control: dict[int, dict[str, Decimal]] = {hour: {} for hour in hours}
    for hour, code, rated in sums.iter_rows():
        control[hour][code] = Decimal(rated).scaleb(-RATED_PLACES)
    columns = _focus_columns()
    by_hour = records.partition_by("hour", as_dict=True)
    # A small day is made into text at once: a select of 44 columns costs more than its rows do.
    small = records.height <= SLICE_ROWS
    whole = records.select("hour", **columns) if small else records.clear()
    texts = whole.partition_by("hour", as_dict=True, include_key=False)
    for hour, flaws in hours.items():
        path, mine = hour_file(out, "usage", day, hour), by_hour.get((hour,), records.clear())
        parts = range(0, max(mine.height, 1), SLICE_ROWS)
        made = (mine.slice(at, SLICE_ROWS).select(**columns) for at in parts)
        known = texts.get((hour,))
        write_texts(path, made if known is None else [known], null="NULL")
        write_manifest(path, mine.height, control[hour], flaws)
    return {hour: by_hour[(hour,)].height if (hour,) in by_hour else 0 for hour in hours}


def _focus_columns() -> dict[str, pl.Expr]:
    at = pl.col("used_on").cast(pl.Datetime("us")) + pl.duration(hours=pl.col("hour"))
    meter, cost = pl.col("meter"), decimals(pl.col("rated"), RATED_PLACES)
    price, quantity = (
        decimals(pl.col("price"), PRICE_PLACES),
        decimals(pl.col("quantity"), QUANTITY_PLACES),
    )
    name = chosen([m.name for m in METERS], meter)
    unit = chosen([m.unit for m in METERS], meter)
    start = pl.col("cycle_start").cast(pl.Datetime("us"))
    end = start + pl.duration(days=CYCLE_DAYS)
    none = pl.lit(None, pl.String)
    return {
        "AvailabilityZone": none,
        "BilledCost": cost,
        "BillingAccountId": customer_ref(pl.col("sub")),
        "BillingAccountName": pl.lit("Customer ") + pl.col("sub").cast(pl.String),
        "BillingCurrency": chosen(CURRENCIES, pl.col("market")),
        "BillingPeriodEnd": shown_time(end),
        "BillingPeriodStart": shown_time(start),
        "ChargeCategory": pl.lit("Usage"),
        "ChargeClass": none,
        "ChargeDescription": name + pl.lit(" metered by the hour"),
        "ChargeFrequency": pl.lit("Usage-Based"),
        "ChargePeriodEnd": shown_time(at + pl.duration(hours=1)),
        "ChargePeriodStart": shown_time(at),
        "CommitmentDiscountCategory": none,
        "CommitmentDiscountId": none,
        "CommitmentDiscountName": none,
        "CommitmentDiscountStatus": none,
        "CommitmentDiscountType": none,
        "ConsumedQuantity": quantity,
        "ConsumedUnit": unit,
        "ContractedCost": cost,
        "ContractedUnitPrice": price,
        "EffectiveCost": cost,
        "InvoiceIssuerName": chosen([m.issuer for m in MARKETS], pl.col("market")),
        "ListCost": cost,
        "ListUnitPrice": price,
        "PricingCategory": pl.lit("Standard"),
        "PricingQuantity": quantity,
        "PricingUnit": unit,
        "ProviderName": pl.lit("Northway Cloud"),
        "PublisherName": pl.lit("Northway Cloud"),
        "RegionId": pl.lit("region-1"),
        "RegionName": pl.lit("Region 1"),
        "ResourceId": subscription_ref(pl.col("sub")) + pl.lit("/") + name,
        "ResourceName": none,
        "ResourceType": none,
        "ServiceCategory": pl.lit("Compute"),
        "Id": usage.record_id(pl.col("used_on"), pl.col("number")),
        "ServiceName": name,
        "SkuId": name,
        "SkuPriceId": name + pl.lit("-1"),
        "SubAccountId": subscription_ref(pl.col("sub")),
        "SubAccountName": none,
        "Tags": none,
        "x_Entity": chosen([ENTITIES[e] for e in ENTITY_OF_MARKET], pl.col("market")),
    }
