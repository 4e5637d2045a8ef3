"""What text that speaks to a model looks like, in a few languages."""

from __future__ import annotations

import re
from typing import Literal

SuspicionKind = Literal[
    "override", "role", "template", "exfiltration", "concealment", "answer", "hidden text"
]
_WHOM = r"(?:you(?:r)?|the (?:ai|assistant|model|system|chat ?bot|llm|language model|agent))"
_PATTERNS: tuple[tuple[SuspicionKind, str], ...] = (
    (
        "override",
        r"\b(?:ignore|disregard|forget|override|bypass|do not (?:follow|obey))\b[^.\n]{0,30}?"
        r"\b(?:all|any|your|my|the|these|those|every)?\s*(?:of\s+(?:the|your)\s+)?"
        r"(?:previous|prior|above|earlier|preceding|foregoing|existing|original|system|"
        r"former|other)\s+(?:\w+\s+)?(?:instructions?|prompts?|rules?|guidelines?|directions?|"
        r"commands?|constraints?|messages?)\b",
    ),
    (
        "override",
        r"\b(?:ignore|disregard|forget)\s+"
        r"(?:everything|anything|all(?: of (?:this|that))?|what)\s+"
        r"(?:(?:you|that|was|were|i|we)\b[^.\n]{0,30}\b(?:told|said|written|instructed|given)|"
        r"(?:above|before|previously))\b",
    ),
    (
        "override",
        r"\b(?:ignoriere?|vergiss|missachte)\s+(?:bitte\s+)?(?:alle\s+)?(?:\w+\s+)?(?:bisherigen|"
        r"vorherigen|obigen|fr\u00fcheren)\s+(?:\w+\s+)?(?:anweisungen|befehle|regeln)\b"
        r"|\bignore[zr]?\s+(?:toutes?\s+)?(?:les|vos|tes)\s+(?:instructions|consignes)\s+"
        r"(?:pr\u00e9c\u00e9dentes|ci-dessus)"
        r"|\bignor[ae]\s+(?:todas\s+)?las\s+instrucciones\s+(?:anteriores|previas)\b",
    ),
    (
        "override",
        r"(?:^|[\n.!:>*\]]\s{0,8})(?:new|updated|real|actual)\s+(?:system\s+)?(?:instructions?|"
        r"task|prompt|objective)\s*(?:for (?:the )?(?:ai|assistant|model|llm|you))?\s*:",
    ),
    (
        "role",
        r"(?:^|[\n.!?]\s{0,8})(?:system|assistant|developer)\s*(?:message|prompt)?\s*:\s+"
        r"(?:you\b|ignore|do not|always|never|respond|reply|from now)",
    ),
    (
        "role",
        rf"\b(?:from now on|henceforth|starting now),?\s+{_WHOM}\s+(?:are\b|"
        r"(?:will|must|should|shall)\s+(?:be|act|answer|respond|reply|say|speak|write|only|always|never|ignore|obey|follow|behave|"
        r"pretend|output)\b)",
    ),
    (
        "role",
        r"\byou are (?:now|no longer) (?:in )?(?:an?\s+)?(?:\w+\s+){0,3}(?:ai|assistant|chat ?bot|"
        r"language model|llm|dan\b|developer mode|jailbroken|unrestricted|pirate|bot)",
    ),
    (
        "role",
        r"\b(?:enter|enable|activate|switch to)\s+(?:developer|debug|god|dan|jailbreak)\s+mode\b",
    ),
    (
        "template",
        r"<\|(?:im_start|im_end|system|user|assistant|end|endoftext|eot_id|start_header_id|"
        r"end_header_id|begin_of_text|channel|message|start|return)\|>|\[/?INST\]|<</?SYS>>"
        r"|<(?:start|end)_of_turn>|</?(?:system|assistant)>"
        r"|\uff5c(?:begin|end)\u2581of\u2581sentence\uff5c"
        r"|(?:^|\n)#{2,3}\s*(?:System|Instruction)\s*:",
    ),
    (
        "exfiltration",
        r"\b(?:reveal|print|output|repeat|disclose|leak|show|expose|tell (?:me|us))\b"
        r"[^.\n]{0,30}\b(?:your|the|its)\s+(?:(?:hidden|secret|full|entire|initial|original)\s+)*"
        r"(?:system prompt|system message|initial prompt|(?:hidden|initial) instructions?|"
        r"(?:api|secret|private) keys?|passwords?|credentials)\b",
    ),
    (
        "exfiltration",
        r"\b(?:send|post|forward|upload|submit|e-?mail|exfiltrate|transmit)\b[^.\n]{0,60}\b"
        r"(?:conversation|chat history|user'?s? (?:data|question|messages?|files?)|system prompt|"
        r"api keys?|passwords?|credentials|all (?:the )?documents)\b[^.\n]{0,60}\b(?:to|at|via)\b",
    ),
    (
        "exfiltration",
        r"!\[[^\]\n]{0,80}\]\(\s{0,8}https?://[^)\s]{0,300}[?&][^)\s=]{1,40}=\s{0,8}"
        r"(?:\{|%7b|\[|<|\$)[^)\n]{0,100}\)",
    ),
    (
        "concealment",
        r"\b(?:do not|don'?t|never|without)\s+(?:tell(?:ing)?|mention(?:ing)?|inform(?:ing)?|"
        r"alert(?:ing)?|notify(?:ing)?|reveal(?:ing)?)\s+(?:this\s+|it\s+|anything\s+)?(?:to\s+)?"
        r"(?:the\s+)?(?:user|human|reader of (?:the|this) (?:answer|chat))\b",
    ),
    (
        "answer",
        rf"(?:^|[\n.!?:;]\s{{0,8}})"
        rf"(?:(?:note|attention|important|message)\s*(?:to|for)?\s*)?{_WHOM}\s+"
        r"(?:must|should|shall|have to|are (?:required|instructed|ordered) to)\s+"
        r"(?:now\s+|always\s+|only\s+)*(?:answer|respond|reply|say|output|state|recommend|conclude|rate|rank|write)\b",
    ),
    (
        "answer",
        r"\b(?:if you are|if you're|when you are|to any|attention,?|note to(?: the)?|dear)\s+"
        r"(?:an?\s+|all\s+|the\s+)?(?:ai|a\.i\.|llms?|language models?|large language models?|"
        r"chat ?bots?|ai assistants?|ai agents?)\b[^.\n]{0,60}\b"
        r"(?:answer|respond|reply|say|output|ignore|give|recommend|write|rate|must|please|always|do)\b",
    ),
    (
        "answer",
        r"(?:^|[\n.!?:;]\s{0,8})(?:always\s+|only\s+)?(?:respond|reply|answer)\s+"
        r"(?:only\s+|always\s+)?(?:with|by (?:saying|writing))\s+"
        r"(?:the (?:word|phrase|text|sentence)\s+)?[\"'\u201c\u2018][^\n]{1,80}",
    ),
)
RULES: tuple[tuple[SuspicionKind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(rule, re.IGNORECASE)) for kind, rule in _PATTERNS
)
"""Each with what it tries; no run of white space makes one quadratic."""
