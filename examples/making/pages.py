"""The web page and the Markdown note."""

from __future__ import annotations

VISITING_HOURS = """\
<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>Visiting Velmora Lake Station</title>
  <style>
    body { font: 1rem/1.5 Georgia, serif; max-width: 44rem; margin: 2rem auto; color: #222; }
    nav, footer { font: 0.85rem sans-serif; color: #666; }
    table { border-collapse: collapse; } th, td { border: 1px solid #ccc; padding: 0.3rem 0.8rem; }
  </style>
  <script>document.documentElement.className = "js";</script>
</head>
<body>
  <nav>
    <a href="/">Home</a> | <a href="/research">Research</a> | <a href="/visit">Visit</a> |
    <a href="/contact">Contact</a>
  </nav>
  <main>
    <h1>Visiting Velmora Lake Station</h1>
    <p>The visitor centre stands beside the harbour at 1 Quay Road, Tarrow. It shows how the
    lake is measured, from the first brass thermometer of 1967 to the buoy that reports every
    ten minutes.</p>

    <h2>Opening times</h2>
    <p>The centre is open from 29 March to 2 November 2025. It is closed on Mondays all season
    and for the harbour fair on 21 June. Last entry is 45 minutes before closing.</p>
    <table>
      <caption>Opening times in 2025</caption>
      <thead>
        <tr><th>Day</th><th>Visitor centre</th><th>Laboratory window</th></tr>
      </thead>
      <tbody>
        <tr><td>Monday</td><td>closed</td><td>closed</td></tr>
        <tr><td>Tuesday to Thursday</td><td>10:00 to 16:30</td><td>13:00 to 15:00</td></tr>
        <tr><td>Friday</td><td>10:00 to 19:00</td><td>13:00 to 17:00</td></tr>
        <tr><td>Saturday</td><td>09:30 to 17:30</td><td>11:00 to 12:30</td></tr>
        <tr><td>Sunday</td><td>11:00 to 16:00</td><td>closed</td></tr>
      </tbody>
    </table>

    <h2>Tickets</h2>
    <ul>
      <li>An adult ticket costs $6.50.</li>
      <li>Children from 6 to 15 pay $3.00; younger children come in free.</li>
      <li>A family ticket for two adults and up to three children costs $16.00.</li>
    </ul>

    <h2>Boat trips</h2>
    <p>On Wednesdays and Saturdays at 14:00 the research vessel Sandpiper takes visitors to
    Heron Inlet and back. A trip lasts 75 minutes, costs $18.00 and has room for 11 guests.
    Book at the desk; trips do not sail when the wind is above 30 km/h.</p>

    <h2>Before you come</h2>
    <p>Dogs are welcome in the garden but not in the exhibition. The bus stop Tarrow Quay is
    four minutes away on foot; line 12 runs every half hour.</p>
  </main>
  <footer>
    <p>Velmora Lake Station. <a href="/privacy">Privacy</a> | <a href="/imprint">Imprint</a> |
    This page uses no cookies.</p>
  </footer>
</body>
</html>
"""

SPECIES_NOTES = """\
# Notes on the animals of Lake Velmora

Kept by Oskar Brandvold, warden of the shore, and brought up to date on 30 November 2024.

## Fish

The **Velmora char** lives below 30 metres and comes up to spawn in the last week of October.
The **bronze rudd** was brought in by anglers in 1983 and stays in the reeds of Heron Inlet.
The **stone loach** had not been seen for eleven years when a student found one under the
harbour steps on 9 August 2024.

## Birds

Two pairs of the **collared diver** nested on Gull Islet and raised three chicks. Boats keep
150 metres away from the islet from 15 April to 31 July.

## Counts of the autumn survey

| Animal         | First recorded | Counted in 2023 | Counted in 2024 | Longest (cm) |
|----------------|---------------:|----------------:|----------------:|-------------:|
| Velmora char   |           1967 |             412 |             389 |           64 |
| Bronze rudd    |           1983 |             958 |           1,207 |           31 |
| Lantern perch  |           1971 |             640 |             655 |           42 |
| Stone loach    |           1969 |               0 |               1 |            9 |
| Glass shrimp   |           1998 |           2,310 |           1,864 |            3 |

## To do

- Check whether the shrimp fell because of the warm autumn or because the nets were changed.
- Mark the new char spawning ground off Kestrel Point on the chart.
"""
