"""The catalogue's files become facts: regions, services, offices with their live dates. Twice changes nothing."""

from collections.abc import Iterator
from concurrent.futures import Future
from datetime import datetime

from domain.commands import AnnounceLiveDate, Command, RegisterOffice, RegisterRegion, RegisterService
from domain.ports import Receipt
from infra import catalogue
from infra.bootstrap import OPERATOR, Instance


def load_catalogue(instance: Instance, at: datetime) -> int:
    """The position reached. Raises RuntimeError with the first refusal: an office of another shape is there already."""
    # An office is registered before its live date is announced: the queue keeps their order.
    futures: list[Future[Receipt]] = [instance.desk.submit(command) for command in _commands(instance, at)]
    receipts = [future.result() for future in futures]
    for receipt in receipts:
        if receipt.refusal is not None:
            raise RuntimeError(f"the catalogue does not fit the log: {receipt.refusal.detail}")
    return max(receipt.position for receipt in receipts)


def _commands(instance: Instance, at: datetime) -> Iterator[Command]:
    for region in catalogue.regions():
        stamp = instance.stamp(OPERATOR, f"catalogue/region/{region.region}", at)
        yield RegisterRegion(**stamp, region=region.region, name_ar=region.name_ar, name_en=region.name_en)
    for service in catalogue.services():
        yield RegisterService(
            **instance.stamp(OPERATOR, f"catalogue/service/{service.service}", at),
            service=service.service,
            sector=service.sector,
            name_ar=service.name_ar,
            name_en=service.name_en,
            audience=service.audience,
            minutes=service.minutes,
            electronic=service.electronic,
            needs_visit=service.needs_visit,
            border_number=service.border_number,
            documents=service.documents,
        )
    for office in catalogue.offices():
        yield RegisterOffice(
            **instance.stamp(OPERATOR, f"catalogue/office/{office.office}", at),
            office=office.office,
            name_ar=office.name_ar,
            name_en=office.name_en,
            city_ar=office.city_ar,
            city_en=office.city_en,
            region=office.region,
            section=office.section,
            counters=office.counters,
            latitude=office.latitude,
            longitude=office.longitude,
        )
        stamp = instance.stamp(OPERATOR, f"catalogue/live/{office.office}", at)
        yield AnnounceLiveDate(**stamp, office=office.office, live_from=office.live_from)
