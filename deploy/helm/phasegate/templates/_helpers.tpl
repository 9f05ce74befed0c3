{{/* Names, labels and parts that several objects have. A call about one service gets (dict "root" $ "service" "collector"). */}}

{{/* Objects' names begin with it; short enough for the longest ending, -collector-migrate. */}}
{{- define "phasegate.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- end -}}
{{- $name | trunc 44 | trimSuffix "-" -}}
{{- end -}}

{{- define "phasegate.port" -}}
{{- get (dict "collector" "7101" "analyzer" "7102" "reporter" "7103") . -}}
{{- end -}}

{{/* Whom a service calls. */}}
{{- define "phasegate.neighbours" -}}
{{- get (dict "collector" "analyzer reporter" "analyzer" "reporter" "reporter" "collector analyzer") . -}}
{{- end -}}

{{/* Who calls it. */}}
{{- define "phasegate.callers" -}}
{{- get (dict "collector" "reporter" "analyzer" "collector reporter" "reporter" "collector analyzer") . -}}
{{- end -}}

{{- define "phasegate.url" -}}
{{- $of := index .root.Values .service -}}
{{- if $of.enabled -}}
http://{{ include "phasegate.fullname" .root }}-{{ .service }}:{{ include "phasegate.port" .service }}
{{- else -}}
{{- $of.url -}}
{{- end -}}
{{- end -}}

{{/* The port that a URL says, or means. */}}
{{- define "phasegate.portOf" -}}
{{- $url := urlParse . -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- end -}}

{{- define "phasegate.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: phasegate
{{- end -}}

{{/* What never changes of a pod's labels. */}}
{{- define "phasegate.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end -}}

{{- define "phasegate.serviceLabels" -}}
{{ include "phasegate.labels" .root }}
app.kubernetes.io/component: {{ .service }}
{{ include "phasegate.version" . }}
{{- end -}}

{{/* A label is shorter than a tag may be. */}}
{{- define "phasegate.version" -}}
app.kubernetes.io/version: {{ include "phasegate.tag" . | trunc 63 | trimAll "-_." | quote }}
{{- end -}}

{{- define "phasegate.tag" -}}
{{- $of := index .root.Values .service -}}
{{- $of.image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{- end -}}

{{- define "phasegate.image" -}}
{{- $of := index .root.Values .service -}}
{{- with .root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ $of.image.repository }}:{{ include "phasegate.tag" . }}
{{- end -}}

{{- define "phasegate.policyConfigMap" -}}
{{- .Values.policy.existingConfigMap | default (printf "%s-policy" (include "phasegate.fullname" .)) -}}
{{- end -}}

{{/* "": the image's. */}}
{{- define "phasegate.templatesConfigMap" -}}
{{- $own := ternary (printf "%s-templates" (include "phasegate.fullname" .)) "" (not (empty .Values.templates.files)) -}}
{{- .Values.templates.existingConfigMap | default $own -}}
{{- end -}}

{{- define "phasegate.claim" -}}
{{- $of := index .root.Values .service -}}
{{- $of.persistence.existingClaim | default (printf "%s-%s" (include "phasegate.fullname" .root) .service) -}}
{{- end -}}

{{/* "true" where several pods may have the data directory at once. */}}
{{- define "phasegate.shared" -}}
{{- if or (not .persistence.enabled) (has "ReadWriteMany" .persistence.accessModes) }}true{{ end -}}
{{- end -}}

{{- define "phasegate.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "phasegate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "phasegate.fromSecret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end -}}

{{/* Replicas on different nodes, and in different zones, where there are any. */}}
{{- define "phasegate.apart" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    {{- range $key, $weight := dict "kubernetes.io/hostname" 100 "topology.kubernetes.io/zone" 50 }}
    - weight: {{ $weight }}
      podAffinityTerm:
        topologyKey: {{ $key }}
        labelSelector:
          matchLabels:
            {{- include "phasegate.selector" $ | nindent 12 }}
    {{- end }}
{{- end -}}

{{/* What every pod asks: names, and the database. */}}
{{- define "phasegate.egressToDatabase" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
- ports:
    - port: {{ .Values.networkPolicy.database.port }}
      protocol: TCP
  {{- with .Values.networkPolicy.database.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* URLs of what stands elsewhere, with spaces between. */}}
{{- define "phasegate.calledOutside" -}}
{{- range $neighbour := splitList " " (include "phasegate.neighbours" .service) -}}
{{- (index $.root.Values $neighbour).url }} {{ end -}}
{{- .root.Values.otelEndpoint }} {{ if hasPrefix "http" .root.Values.auth.oidc.jwksUrl }}{{ .root.Values.auth.oidc.jwksUrl }}{{ end -}}
{{- end -}}
