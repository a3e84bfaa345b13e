"""Clips outside a widget: contact sheets, figures, offline pages."""
