"""The model in the page: WinCLIP on a class-token tower as a folder of scripts that a browser runs by itself."""

from .export import Example as Example
from .export import export_page as export_page
from .form import form as form
