"""The page that people browse: search, a product with its proved facts and its neighbourhood, recommendations, reports.

Needs the extra ``ui``; everything it draws with comes from the wheel, nothing from the internet. What the shop wrote is
only ever shown as text, never as HTML.
"""
