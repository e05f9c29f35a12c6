from . import figures as figures
from . import tables as tables
from .labels import axis_label as axis_label
from .labels import label as label
from .provenance import record as record
from .tables.beside import beside_printed as beside_printed
from .tables.beside import beside_reported as beside_reported
from .tables.shown import shown as shown
