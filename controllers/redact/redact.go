// Package redact takes secrets out of what others say, before it is shown: the last words of a collector, what a destination answers, logs.
package redact

import (
	"regexp"
	"strings"
)

// Redacted stands where something was taken out.
const Redacted = "(redacted)"

// Names are in the names of what is a secret: alternatives of a regular expression, to be matched in any case.
const Names = `passw|passphrase|\bpass\b|_pass\b|secret|token|credential|authori[sz]ation|cookie|signature|\bsig\b|` +
	`(?:private|api|access|account|shared|encryption|signing|auth|clickhouse)[-_]?key|nkey|seed|jwt`

// quoted is a value in quotes, also within JSON that is quoted itself: alternatives of a regular expression.
const quoted = `"(?:\\.|[^"\\])*"|\\"(?:[^"\\]|\\[^"])*\\"|'(?:\\.|''|[^'\\\n])*'`

// shortest is how many characters a word has at least that is held to be a secret by its looks.
const shortest = 7

var (
	// urls end with a quote, unless that is within their credentials, which may have one.
	urls = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^\s"<>/]*@)?[^\s"'<>]+`)
	// credentials are those within a URL, as in nats://user:password@server, up to the last @: a password may have one, and a slash. Without
	// a colon, what has a slash is a path.
	credentials = regexp.MustCompile(`^([^:]+://)(?:[^/:]*:.*|[^/]*)@`)
	// assigned is password=..., which ends with the word.
	assigned = regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:` + Names + `)[a-z0-9_.-]*=)(` + quoted + `|[^\s"]+)`)
	// identified is a password in SQL.
	identified = regexp.MustCompile(`(?i)(\bidentified\s+(?:with\s+\w+\s+)?by\s+)(` + quoted + `)`)
	// told is "password": "..." or password: ..., which ends with the word, under names that nothing but a secret has: others stand before
	// reasons, as in passwordFile: open /etc/nats/password: no such file.
	told = regexp.MustCompile(`(?i)((?:^|[\s"',;({])(?:password|passwd|passphrase|secret|token|(?:x-)?(?:api|access|clickhouse)[-_]?key|nkey|seed)"?\s*:\s*)(` +
		quoted + `|[^\s"\\]+)`)
	// keys and tokens that tell themselves: NATS seeds and JSON Web Tokens, what an HTTP header has, and keys in PEM.
	tokens = regexp.MustCompile(`\bS[UANOCX][A-Z2-7]{40,}\b|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*`)
	// connect is what a client of NATS tells a server who it is with, in JSON, whose end may have been cut off.
	connect = regexp.MustCompile(`(?i)(\\?"(?:auth_token|pass|sig)\\?"\s*:\s*)(?:` + quoted + `|\\?"[^"]*$)`)
	bearer  = regexp.MustCompile(`(?i)(\b(?:bearer|basic)\s+)([A-Za-z0-9._~+/=-]+)`)
	pem     = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)

	// noun is a word of a sentence, and reason one that says alone what is wrong with a secret.
	noun   = regexp.MustCompile(`^[A-Za-z][a-z]*$`)
	reason = regexp.MustCompile(`(?i)^(denied|refused|rejected|expired|revoked|invalid|missing|required|empty|unknown|unauthorized|forbidden|timeout|eof)$`)
	// coded is what a word of a sentence does not have.
	coded = regexp.MustCompile(`.[A-Z]|[0-9=]`)
)

// Words takes secrets out of a sentence, and leaves its reasons.
func Words(s string) string { return take(told, Plain(s), isToldSecret) }

// Plain takes out of any text the secrets that tell themselves: credentials in URLs, keys, tokens, and what is assigned to a name of Names.
func Plain(s string) string {
	s = pem.ReplaceAllString(s, Redacted)
	s = urls.ReplaceAllStringFunc(s, withoutCredentials)
	s = tokens.ReplaceAllString(s, Redacted)
	s = take(bearer, s, func(word, _ string) bool { return len(word) >= shortest && coded.MatchString(word) })
	s = connect.ReplaceAllString(s, "${1}"+Redacted)
	s = identified.ReplaceAllString(s, "${1}"+Redacted)
	return assigned.ReplaceAllString(s, "${1}"+Redacted)
}

// withoutCredentials is a URL without them. An image's digest stands behind none, as in docker://server/image@sha256:...
func withoutCredentials(url string) string {
	end := strings.LastIndexByte(url, '@')
	if end < 0 || !strings.HasPrefix(url[end:], "@sha256:") {
		end = len(url)
	}
	return credentials.ReplaceAllString(url[:end], "${1}"+Redacted+"@") + url[end:]
}

// take takes out the second group of a pattern, the first being what stands before it, where that word, with the rest of the text behind
// it, is a secret.
func take(pattern *regexp.Regexp, s string, secret func(word, rest string) bool) string {
	var out strings.Builder
	for m := pattern.FindStringSubmatchIndex(s); m != nil; m = pattern.FindStringSubmatchIndex(s) {
		out.WriteString(s[:m[4]])
		if secret(s[m[4]:m[5]], s[m[5]:]) {
			out.WriteString(Redacted)
			s = s[m[5]:]
		} else {
			s = s[m[4]:] // the word may be the name of a secret itself
		}
	}
	return out.String() + s
}

// isToldSecret reports whether the word behind password: is one: it is quoted, or alone to the end of the line, or of what is quoted, or
// looks like none of a sentence.
func isToldSecret(word, rest string) bool {
	if strings.ContainsAny(word[:1], `"'\`) {
		return true
	}
	bare := strings.TrimRight(word, ".,;:!?)")
	rest = strings.TrimLeft(rest, " \t\r")
	if rest == "" || strings.ContainsAny(rest[:1], "\n\"\\") {
		return !reason.MatchString(bare)
	}
	return len(bare) >= shortest && !noun.MatchString(bare)
}
