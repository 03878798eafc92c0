// Plain JavaScript on Node, as a careful developer writes it by hand: JSON.parse, one object literal, JSON.stringify.
//
// Members that are undefined are left out by JSON.stringify, so that an object literal states order and absence at once.

import { serve } from './harness.mjs';
import * as tables from './tables.mjs';

const NONE = [];

function translate(key, text) {
  const entries = JSON.parse(text).entry;
  const bundle = sort(entries);
  const { request, patient } = bundle;
  const notes = present(request.note, (note) => note.text);
  return JSON.stringify({
    schemaVersion: '2.1',
    idempotencyKey: key,
    source: {
      reference: required(identified(request.identifier, tables.REFERRAL), 'ServiceRequest.identifier'),
      madeOn: fullDate(request.authoredOn, 'ServiceRequest.authoredOn'),
    },
    person: {
      nhsNumber: required(identified(patient.identifier, tables.NHS_NUMBER), 'Patient.identifier'),
      fullName: fullName(patient.name),
      dateOfBirth: dayMonthYear(patient.birthDate, 'Patient.birthDate'),
      gender: tables.GENDER.get(patient.gender) ?? 'N',
      language: language(patient.communication),
      interpreterNeeded: extension(patient, tables.INTERPRETER)?.valueBoolean ?? false,
      householdSize: bundle.householdSize,
      livesAlone: bundle.livesAlone,
      address: address(patient.address),
      contact: contact(patient, request),
    },
    referral: {
      summary: required(words(request.code), 'ServiceRequest.code'),
      category: tables.CATEGORY.get(codeOf(request.category, tables.SDOH)) ?? 'General',
      priority: priority(request.priority),
      reason: notes && limited(notes[0]),
      deadline: optionalDate(bundle.deadline, 'Task.restriction.period.end'),
      needs: needs(entries, request.reasonReference),
      notes,
    },
    referrer: referrer(entries, request.requester),
  });
}

// One look at every entry finds all that is asked of the Bundle as a whole.
function sort(entries) {
  const found = { request: undefined, patient: undefined, householdSize: undefined, livesAlone: undefined, deadline: undefined };
  for (const { resource } of entries) {
    switch (resource.resourceType) {
      case 'ServiceRequest':
        found.request ??= resource;
        break;
      case 'Patient':
        found.patient ??= resource;
        break;
      case 'Observation':
        if (isHousehold(resource.code)) found.householdSize ??= resource.valueInteger;
        break;
      case 'QuestionnaireResponse':
        found.livesAlone ??= livesAlone(resource.item ?? NONE);
        break;
      case 'Task':
        found.deadline ??= resource.restriction?.period?.end;
        break;
    }
  }
  required(found.request, 'ServiceRequest');
  required(found.patient, 'Patient');
  return found;
}

function isHousehold(code) {
  for (const coding of code?.coding ?? NONE) {
    if (coding.system === tables.LOINC && coding.code === tables.HOUSEHOLD) return true;
  }
  return false;
}

function livesAlone(items) {
  for (const item of items) {
    if (item.linkId !== 'lives-alone') continue;
    for (const answer of item.answer ?? NONE) {
      if (answer.valueBoolean !== undefined) return answer.valueBoolean;
    }
  }
  return undefined;
}

function fullName(names = NONE) {
  const name = required(names.find((name) => name.use === 'official') ?? names[0], 'Patient.name');
  const parts = [...(name.prefix ?? NONE), ...(name.given ?? NONE)];
  if (name.family !== undefined) parts.push(name.family);
  return parts.join(' ');
}

function language(communications = NONE) {
  for (const { preferred, language } of communications) {
    if (preferred !== true) continue;
    for (const { code } of language?.coding ?? NONE) {
      if (code !== undefined) return tables.LANGUAGE.get(code) ?? code;
    }
  }
  return 'English';
}

function address(addresses = NONE) {
  const address = addresses.find((address) => address.use === 'home') ?? addresses[0];
  if (address === undefined) return undefined;
  return {
    street: address.line?.join(', '),
    town: address.city,
    postcode: address.postalCode,
  };
}

function contact(patient, request) {
  const points = patient.telecom ?? NONE;
  const preference = preferredMethod(patient);
  return {
    mayContact: !isProhibited(request.orderDetail),
    phone: phone(points, 'mobile') ?? phone(points, 'home') ?? phone(points, 'work'),
    email: points.find((point) => point.system === 'email' && point.value !== undefined)?.value,
    preference: preference && (tables.PREFERENCE_WORDS.get(preference) ?? 'ask'),
    telecoms: present(points, telecom),
  };
}

function phone(points, use) {
  return points.find((point) => point.system === 'phone' && point.use === use && point.value !== undefined)?.value;
}

function telecom({ system, value, use }) {
  return value === undefined ? undefined : { kind: tables.TELECOM.get(system) ?? 'other', value, use };
}

function isProhibited(details = NONE) {
  for (const detail of details) {
    for (const { code } of detail.coding ?? NONE) {
      if (code === 'contacting-subject-prohibited') return true;
    }
  }
  return false;
}

function preferredMethod(patient) {
  for (const { url, extension } of patient.extension ?? NONE) {
    if (url !== tables.PREFERENCE) continue;
    for (const part of extension ?? NONE) {
      if (part.url !== 'PreferredContactMethod') continue;
      for (const { code } of part.valueCodeableConcept?.coding ?? NONE) {
        if (code !== undefined) return code;
      }
    }
  }
  return undefined;
}

function extension(patient, url) {
  return patient.extension?.find((extension) => extension.url === url);
}

function priority(code) {
  return code === undefined ? 'Standard' : required(tables.PRIORITY.get(code), 'a known ServiceRequest.priority');
}

function needs(entries, references = NONE) {
  return present(references, ({ reference }) => {
    const condition = resolve(entries, reference);
    if (condition?.resourceType !== 'Condition') return undefined;
    return {
      category: tables.PROBLEM.get(codeOf([condition.code], tables.SNOMED)) ?? 'General',
      label: words(condition.code),
      since: optionalDate(condition.onsetDateTime, 'Condition.onset'),
    };
  });
}

function referrer(entries, requester) {
  let found = resolve(entries, requester?.reference);
  if (found?.resourceType === 'PractitionerRole') found = resolve(entries, found.organization?.reference);
  if (found?.resourceType !== 'Organization') throw new Error('ServiceRequest.requester is missing');
  return {
    organisation: required(found.name, 'Organization.name'),
    odsCode: identified(found.identifier, tables.ODS),
  };
}

// A Bundle holds about ten entries: to look through them costs less than to make an index.
function resolve(entries, reference) {
  if (reference === undefined) return undefined;
  for (const entry of entries) {
    if (entry.fullUrl === reference) return entry.resource;
  }
  return undefined;
}

function identified(identifiers = NONE, system) {
  return identifiers.find((identifier) => identifier.system === system && identifier.value !== undefined)?.value;
}

function codeOf(concepts = NONE, system) {
  for (const concept of concepts) {
    for (const coding of concept?.coding ?? NONE) {
      if (coding.system === system && coding.code !== undefined) return coding.code;
    }
  }
  return undefined;
}

function words(concept) {
  return concept?.text ?? concept?.coding?.find((coding) => coding.display !== undefined)?.display;
}

// What there is; undefined if there is nothing.
function present(items = NONE, one) {
  const all = [];
  for (const item of items) {
    const made = one(item);
    if (made !== undefined) all.push(made);
  }
  return all.length > 0 ? all : undefined;
}

const isDigit = (unit) => unit >= 48 && unit <= 57;

function fullDate(date, path) {
  let fits = date !== undefined && date.length >= 10;
  for (let place = 0; fits && place < 10; place++) {
    const unit = date.charCodeAt(place);
    fits = place === 4 || place === 7 ? unit === 45 : isDigit(unit);
  }
  if (!fits) throw new Error(`${path} is missing or not a full date`);
  return date.slice(0, 10);
}

function dayMonthYear(date, path) {
  const full = fullDate(date, path);
  return `${full.slice(8)}/${full.slice(5, 7)}/${full.slice(0, 4)}`;
}

function optionalDate(date, path) {
  return date === undefined ? undefined : dayMonthYear(date, path);
}

// Characters are code points; as many code units hold at most as many of them.
function limited(text) {
  if (text.length <= tables.REASON_LIMIT) return text;
  let characters = 0;
  let cut = 0;
  for (let at = 0; at < text.length; at += text.codePointAt(at) > 0xffff ? 2 : 1) {
    characters += 1;
    if (characters === tables.REASON_LIMIT) cut = at;
    if (characters > tables.REASON_LIMIT) return `${text.slice(0, cut)}…`;
  }
  return text;
}

function required(value, path) {
  if (value === undefined) throw new Error(`${path} is missing and the platform requires it`);
  return value;
}

await serve(translate);
