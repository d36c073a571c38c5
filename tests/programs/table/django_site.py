"""A Django site in one file: ``django_site:app`` for servers, or by itself as ``manage.py``."""

import sys

import hold
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

hold.importing()
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, DEBUG=False, SECRET_KEY="x")


def _quick(request):
    return HttpResponse("ok")


def _slow(request):
    hold.working()
    return HttpResponse("ok")


urlpatterns = [path("", _quick), path("slow", _slow)]
app = get_wsgi_application()

if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
