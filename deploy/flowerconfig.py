"""Flower's settings: ``celery -A workers flower --conf=deploy/flowerconfig.py``."""

from workers import flower

globals().update(flower.options())
