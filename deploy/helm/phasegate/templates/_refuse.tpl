{{/* What cannot work, refused before anything is installed, each with what to do. values.schema.json has the types. */}}
{{- define "phasegate.refuse" -}}
{{- $values := .Values -}}
{{- $services := list "collector" "analyzer" "reporter" -}}

{{- if not (or $values.collector.enabled $values.analyzer.enabled $values.reporter.enabled) -}}
{{- fail "nothing is enabled: set collector.enabled, analyzer.enabled or reporter.enabled" -}}
{{- end -}}
{{- if not (or $values.policy.text $values.policy.existingConfigMap) -}}
{{- fail "there is no policy: give it with --set-file policy.text=governance/policy.yaml, or name a ConfigMap in policy.existingConfigMap" -}}
{{- end -}}
{{- if and $values.policy.text $values.policy.existingConfigMap -}}
{{- fail "there are two policies: set policy.text or policy.existingConfigMap, not both" -}}
{{- end -}}
{{- if and $values.templates.files $values.templates.existingConfigMap -}}
{{- fail "there are two sets of texts: set templates.files or templates.existingConfigMap, not both" -}}
{{- end -}}
{{- if not $values.database.existingSecret -}}
{{- fail (printf "there is no database: name a Secret in database.existingSecret whose key %s holds postgres://… (SQLite files cannot be shared by pods)" $values.database.key) -}}
{{- end -}}
{{- if not $values.auth.tokens.existingSecret -}}
{{- fail "there are no tokens, without which services listen on loopback only: name a Secret in auth.tokens.existingSecret with the file that `phasegate token create` writes" -}}
{{- end -}}
{{- if not $values.auth.serviceToken.existingSecret -}}
{{- fail "services cannot show each other who they are: name a Secret in auth.serviceToken.existingSecret" -}}
{{- end -}}
{{- if and $values.migrations.enabled (not $values.migrations.existingSecret) -}}
{{- fail "migrations.enabled needs migrations.existingSecret: the URL of the role that may change tables" -}}
{{- end -}}

{{- $oidc := $values.auth.oidc -}}
{{- $given := compact (list $oidc.issuer $oidc.audience $oidc.jwksUrl $oidc.roleClaim $oidc.roleMap $oidc.nameClaim) -}}
{{- if and $given (not (and $oidc.issuer $oidc.audience $oidc.jwksUrl)) -}}
{{- fail "auth.oidc needs issuer, audience and jwksUrl together" -}}
{{- end -}}

{{- range $service := $services -}}
{{- $of := index $values $service -}}
{{- if and $of.enabled $of.url -}}
{{- fail (printf "%s.url is for where this release installs no %s: leave it out, or set %s.enabled to false" $service $service $service) -}}
{{- end -}}
{{- if $of.enabled -}}
{{- range $neighbour := splitList " " (include "phasegate.neighbours" $service) -}}
{{- if not (include "phasegate.url" (dict "root" $ "service" $neighbour)) -}}
{{- fail (printf "the %s calls the %s, which this release does not install: say where it is in %s.url" $service $neighbour $neighbour) -}}
{{- end -}}
{{- end -}}
{{- $scales := dig "autoscaling" "enabled" false $of -}}
{{- $several := or $scales (gt (int $of.replicas) 1) -}}
{{- if and $several (not (include "phasegate.shared" $of)) -}}
{{- fail (printf "more than one %s cannot share a volume of %s: set %s.persistence.accessModes to [ReadWriteMany], if your storage has it, or keep one replica" $service (join ", " $of.persistence.accessModes) $service) -}}
{{- end -}}
{{- range $name, $value := $of.env -}}
{{- if regexMatch "(TOKEN|SECRET|KEY|WEBHOOKS|PASSWORD|_DATABASE_URL)$" $name -}}
{{- fail (printf "%s.env.%s: a secret does not belong into values: name a Secret (database, auth, reporter.envFromSecrets)" $service $name) -}}
{{- end -}}
{{- if or (regexMatch "^PHASEGATE_(OIDC_.*|POLICY|TOKENS|DATA_DIR|DATABASE_SCHEMA|(COLLECTOR|ANALYZER|REPORTER)_URL)$" $name) (has $name (list "RUST_LOG" "OTEL_EXPORTER_OTLP_ENDPOINT")) -}}
{{- fail (printf "%s.env.%s is set by the chart from a value of its own: see values.yaml" $service $name) -}}
{{- end -}}
{{- end -}}
{{- with $of.ingress -}}
{{- if and .enabled (not .host) -}}
{{- fail (printf "%s.ingress.enabled needs %s.ingress.host" $service $service) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- with $values.collector.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail "collector.autoscaling: minReplicas is more than maxReplicas" -}}
{{- end -}}
{{- if and .enabled (not (dig "requests" "cpu" "" $values.collector.resources)) -}}
{{- fail "collector.autoscaling is measured against collector.resources.requests.cpu: set it" -}}
{{- end -}}
{{- end -}}

{{- if and $values.reporter.enabled (gt (int $values.reporter.replicas) 1) -}}
{{- if not $values.reporter.persistence.enabled -}}
{{- fail "more than one reporter without a shared volume: analyses and reports would stand in one pod and be missing in the other; set reporter.persistence.enabled with accessModes [ReadWriteMany]" -}}
{{- end -}}
{{- if not $values.auth.sessionKey.existingSecret -}}
{{- fail "more than one reporter needs auth.sessionKey.existingSecret: each would sign browser sessions with a key of its own" -}}
{{- end -}}
{{- end -}}
{{- end -}}
