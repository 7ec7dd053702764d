"""The page that people browse: search, a product with its proved facts and its neighbourhood, recommendations, the report.

Needs the extra ``ui``; everything it draws with comes from the wheel, nothing from the internet.
"""
