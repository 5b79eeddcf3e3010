"""The products of a new platform."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from decimal import Decimal

NAMESPACE = uuid.UUID("5b0c1b0e-6f0a-4a57-9a8e-2f5a3f0a7c11")
PLENTY = 1_000_000
CURRENCY = "EUR"


@dataclass(frozen=True)
class Seed:
    """A product and its target stock. The id is derived from the SKU, so that it is the same on every machine."""

    sku: str
    name: str
    price: Decimal
    available: int = PLENTY

    @property
    def id(self) -> uuid.UUID:
        return uuid.uuid5(NAMESPACE, self.sku)


def _seed(sku: str, name: str, price: str, available: int = PLENTY) -> Seed:
    return Seed(sku, name, Decimal(price), available)


SEEDS = (
    _seed("KETTLE-GOOSE-1L", "Gooseneck kettle, 1 l", "54.90"),
    _seed("GRINDER-HAND-30", "Hand coffee grinder, 30 g", "89.00"),
    _seed("DRIPPER-CERAMIC", "Ceramic coffee dripper", "24.50"),
    _seed("FILTER-PAPER-100", "Paper filters, 100 pieces", "6.90"),
    _seed("MUG-STONE-300", "Stoneware mug, 300 ml", "14.90"),
    _seed("MUG-ENAMEL-400", "Enamel mug, 400 ml", "9.90"),
    _seed("TEAPOT-IRON-08", "Cast-iron teapot, 0.8 l", "62.00"),
    _seed("TEA-SENCHA-100", "Sencha, 100 g", "12.40"),
    _seed("TEA-ASSAM-250", "Assam second flush, 250 g", "15.80"),
    _seed("COFFEE-ETHIOPIA", "Coffee, Yirgacheffe, 250 g", "13.50"),
    _seed("COFFEE-COLOMBIA", "Coffee, Huila, 250 g", "12.90"),
    _seed("PAN-IRON-28", "Wrought-iron pan, 28 cm", "49.00"),
    _seed("PAN-STEEL-24", "Stainless steel pan, 24 cm", "79.90"),
    _seed("POT-STOCK-6L", "Stock pot, 6 l", "95.00"),
    _seed("KNIFE-CHEF-20", "Chef's knife, 20 cm", "119.00"),
    _seed("KNIFE-PARING-9", "Paring knife, 9 cm", "29.50"),
    _seed("BOARD-OAK-L", "Oak cutting board, large", "45.00"),
    _seed("WHETSTONE-1000", "Whetstone, grit 1000", "34.90"),
    _seed("SCALE-KITCHEN", "Kitchen scale, 0.1 g", "27.90"),
    _seed("THERMO-PROBE", "Probe thermometer", "22.50"),
    _seed("APRON-LINEN", "Linen apron", "39.00"),
    _seed("TOWEL-LINEN-2", "Linen tea towels, pair", "18.90"),
    _seed("JAR-PRESERVE-1L", "Preserving jar, 1 l", "4.90"),
    _seed("BOTTLE-STEEL-75", "Insulated bottle, 0.75 l", "32.90"),
    _seed("LUNCHBOX-STEEL", "Steel lunch box", "28.50"),
    _seed("LAMP-DESK-LED", "Desk lamp, dimmable", "74.00"),
    _seed("LAMP-CLIP", "Clip-on reading light", "19.90"),
    _seed("NOTEBOOK-A5-DOT", "Notebook A5, dotted", "11.90"),
    _seed("PEN-FOUNTAIN-M", "Fountain pen, medium nib", "42.00"),
    _seed("INK-BLUE-50", "Ink, royal blue, 50 ml", "8.50"),
    _seed("PENCIL-HB-12", "Pencils HB, box of 12", "7.20"),
    _seed("BACKPACK-20L", "City backpack, 20 l", "98.00"),
    _seed("TOTE-CANVAS", "Canvas tote bag", "16.50"),
    _seed("UMBRELLA-AUTO", "Folding umbrella", "26.90"),
    _seed("BLANKET-WOOL", "Wool blanket, 130 x 200 cm", "110.00"),
    _seed("CUSHION-LINEN", "Linen cushion, 50 x 50 cm", "29.90"),
    _seed("CANDLE-BEESWAX", "Beeswax candles, 4 pieces", "17.40"),
    _seed("SOAP-OLIVE-200", "Olive soap, 200 g", "5.60"),
    _seed("BRUSH-DISH", "Dish brush, beech", "6.40"),
    _seed("PLANTER-CLAY-18", "Clay planter, 18 cm", "13.20"),
    _seed("OUT-OF-STOCK", "Brass ship's bell, sold out", "129.00", 0),
    _seed("LOW-STOCK", "Hand-forged oyster knife", "64.50", 5),
)
