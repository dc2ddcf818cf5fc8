{{/* Names. They are cut so that the longest suffix still fits into a label of 63 characters. */}}

{{- define "flowfleet.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "flowfleet.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 38 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 38 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 38 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "flowfleet.manager" -}}
{{ include "flowfleet.fullname" . }}-manager
{{- end }}

{{- define "flowfleet.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "flowfleet.manager" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "flowfleet.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{/* Labels and annotations. */}}

{{- define "flowfleet.selectorLabels" -}}
app.kubernetes.io/name: {{ include "flowfleet.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "flowfleet.labels" -}}
{{ include "flowfleet.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: flowfleet
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
metadata: the lines of an object's metadata but for name and namespace. Takes a list: the root context, further labels,
further annotations. The chart's own labels count before others.
*/}}
{{- define "flowfleet.metadata" -}}
{{- $root := index . 0 -}}
labels:
  {{- merge (include "flowfleet.labels" $root | fromYaml) (index . 1) $root.Values.commonLabels | toYaml | nindent 2 }}
{{- with merge (dict) (index . 2) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Rules. files/rbac/role.yaml is generated from the operator's source: a ClusterRole, and a Role for the operator's own
namespace. With watchNamespaces the ClusterRole is split: what belongs to a namespace goes into a Role in each of them, what
belongs to the cluster stays in a ClusterRole. A rule may name resources of both kinds, since controller-gen joins rules with
the same verbs.
*/}}

{{- define "flowfleet.clusterScoped" -}}
- apiextensions.k8s.io/customresourcedefinitions
- authentication.k8s.io/tokenreviews
- authorization.k8s.io/subjectaccessreviews
- /namespaces
- /nodes
{{- end }}

{{/* generatedRules: takes a list: the root context, and the kind of the role. */}}
{{- define "flowfleet.generatedRules" -}}
{{- $kind := index . 1 -}}
{{- range regexSplit "(?m)^---$" ((index . 0).Files.Get "files/rbac/role.yaml") -1 -}}
{{- with fromYaml . -}}{{- if eq .kind $kind -}}{{- toYaml .rules -}}{{- end -}}{{- end -}}
{{- end -}}
{{- end }}

{{/* splitRules: those of the ClusterRole for "namespaced" or "cluster". Takes a list: the root context, and one of these. */}}
{{- define "flowfleet.splitRules" -}}
{{- $root := index . 0 -}}
{{- $which := index . 1 -}}
{{- $clusterScoped := include "flowfleet.clusterScoped" $root | fromYamlArray -}}
{{- $rules := list -}}
{{- range include "flowfleet.generatedRules" (list $root "ClusterRole") | fromYamlArray -}}
  {{- if .nonResourceURLs -}}
    {{- if eq $which "cluster" -}}{{- $rules = append $rules . -}}{{- end -}}
  {{- else -}}
    {{- $rule := . -}}
    {{- $resources := list -}}
    {{- range .resources -}}
      {{- $resource := . -}}
      {{- $cluster := false -}}
      {{- range $rule.apiGroups -}}
        {{- if has (printf "%s/%s" . (splitList "/" $resource | first)) $clusterScoped -}}{{- $cluster = true -}}{{- end -}}
      {{- end -}}
      {{- if eq $cluster (eq $which "cluster") -}}{{- $resources = append $resources $resource -}}{{- end -}}
    {{- end -}}
    {{- if $resources -}}{{- $rules = append $rules (set (deepCopy $rule) "resources" $resources) -}}{{- end -}}
  {{- end -}}
{{- end -}}
{{- if $rules -}}{{- toYaml $rules -}}{{- end -}}
{{- end }}

{{/* secretNamespaces: those in which the operator may read Secrets, as a YAML list. */}}
{{- define "flowfleet.secretNamespaces" -}}
{{- default .Values.secretNamespaces .Values.watchNamespaces | uniq | toYaml }}
{{- end }}

{{- /* Name of the Secret with the certificate of the operator's metrics; empty where it signs one itself. */}}
{{- define "flowfleet.certificate" -}}
{{- with .Values.metrics }}
{{- if .enabled -}}
{{- .certificate.secretName | default (ternary (printf "%s-metrics-certificate" (include "flowfleet.manager" $)) "" .certificate.certManager.enabled) -}}
{{- end }}
{{- end }}
{{- end }}
