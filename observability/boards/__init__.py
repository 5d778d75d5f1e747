"""What our dashboards show. A test asks every query for a series that a real run emitted."""

from observability.boards.delivery import DELIVERY
from observability.boards.kafka import KAFKA
from observability.boards.overview import OVERVIEW
from observability.boards.retries import RETRIES
from observability.boards.saturation import SATURATION
from observability.boards.webhook import WEBHOOK

BOARDS = (OVERVIEW, DELIVERY, RETRIES, KAFKA, SATURATION, WEBHOOK)
