"""PDF: characters to words, lines and paragraphs in reading order; tables; figures; scans.

The way of a page: ``page`` asks ``chars`` and ``objects`` what pdfium draws, ``text``
makes words, ``tables`` and ``figures`` take what is theirs, ``layout`` and ``flow`` bring
the rest into reading order.
"""
