from . import figures as figures
from .provenance import record as record
from .tables.beside import beside_printed as beside_printed, beside_reported as beside_reported
