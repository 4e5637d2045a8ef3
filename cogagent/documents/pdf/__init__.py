"""PDF: characters to words, lines and paragraphs in reading order; tables; figures; scans.

The way of a page: ``page`` asks ``chars`` and ``objects`` what pdfium draws, ``text``
makes words, ``edges`` drops running heads, ``figures`` and ``tables`` take what is theirs,
``layout`` and ``flow`` bring the rest into reading order.

Figures: ``clusters`` and ``plots`` say where something is drawn, ``captions`` which of it
belongs to which caption, ``labels`` which text belongs to it. Tables: ``grid`` finds ruled
ones, ``rows`` and ``lanes`` the others, which ``header`` and ``build`` put together.
"""
