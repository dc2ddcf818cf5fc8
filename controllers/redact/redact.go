// Package redact takes secrets out of what others say, before it is shown: the last words of a collector, what a destination answers, logs.
package redact

import "regexp"

// Redacted stands where something was taken out.
const Redacted = "(redacted)"

// Names are in the names of what is a secret: alternatives of a regular expression, to be matched in any case.
const Names = `passw|passphrase|\bpass\b|_pass\b|secret|token|credential|authori[sz]ation|private_?key|api_?key|nkey|seed|jwt`

var (
	// credentials within a URL, as in nats://user:password@server, up to the last @: a password may have one.
	credentials = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s"'<>]*@`)
	// assigned is password=..., which ends with the word.
	assigned = regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:` + Names + `)[a-z0-9_.-]*=)("(?:\\.|[^"\\])*"|[^\s"]+)`)
	// told is "password": "..." or password: ..., which ends with the word, under names that nothing but a secret has: others stand before
	// reasons, as in passwordFile: open /etc/nats/password: no such file.
	told = regexp.MustCompile(`(?i)((?:^|[\s"',;({])(?:password|passwd|passphrase|token|api_?key)"?\s*:\s*)("(?:\\.|[^"\\])*"|[^\s"\\]+)`)
	// keys and tokens that tell themselves: NATS seeds and JSON Web Tokens, what an HTTP header has, and keys in PEM.
	tokens = regexp.MustCompile(`\bS[UANOCX][A-Z2-7]{40,}\b|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*`)
	bearer = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]+`)
	pem    = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
)

// Words takes secrets out of a sentence, and leaves its reasons.
func Words(s string) string { return told.ReplaceAllString(Plain(s), "${1}"+Redacted) }

// Plain takes out of any text the secrets that tell themselves: credentials in URLs, keys, tokens, and what is assigned to a name of Names.
func Plain(s string) string {
	s = pem.ReplaceAllString(s, Redacted)
	s = credentials.ReplaceAllString(s, "${1}"+Redacted+"@")
	s = tokens.ReplaceAllString(s, Redacted)
	s = bearer.ReplaceAllString(s, "${1} "+Redacted)
	return assigned.ReplaceAllString(s, "${1}"+Redacted)
}
