// The code tables and addresses of the task, shared by both Node contestants.

export const REFERRAL = 'https://gp.example/Id/referral';
export const NHS_NUMBER = 'https://fhir.nhs.uk/Id/nhs-number';
export const ODS = 'https://fhir.nhs.uk/Id/ods-organization-code';
export const SNOMED = 'http://snomed.info/sct';
export const LOINC = 'http://loinc.org';
export const HOUSEHOLD = '63512-8';
export const SDOH = 'http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes';
export const INTERPRETER = 'http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired';
export const PREFERENCE = 'https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-ContactPreference';
export const REASON_LIMIT = 240;

// A Map has no inherited members, so that a code such as `constructor` finds nothing.
export const GENDER = new Map([['female', 'F'], ['male', 'M'], ['other', 'O']]);

export const LANGUAGE = new Map([
  ['en', 'English'],
  ['cy', 'Welsh'],
  ['pl', 'Polish'],
  ['ur', 'Urdu'],
  ['ar', 'Arabic'],
  ['zh', 'Chinese'],
]);

export const PREFERENCE_WORDS = new Map([['1', 'letter'], ['2', 'visit'], ['3', 'telephone'], ['4', 'e-mail']]);

export const TELECOM = new Map([['phone', 'telephone'], ['email', 'e-mail'], ['sms', 'text message']]);

export const PRIORITY = new Map([
  ['routine', 'Standard'],
  ['urgent', 'High'],
  ['asap', 'High'],
  ['stat', 'Emergency'],
]);

export const CATEGORY = new Map([
  ['food-insecurity', 'Food'],
  ['housing-instability', 'Housing'],
  ['homelessness', 'Housing'],
  ['transportation-insecurity', 'Transport'],
  ['social-connection', 'Company and groups'],
  ['financial-insecurity', 'Money'],
  ['employment-status', 'Work and learning'],
]);

export const PROBLEM = new Map([
  ['733423003', 'Food'],
  ['1156191002', 'Housing'],
  ['32911000', 'Housing'],
  ['713458007', 'Transport'],
  ['422650009', 'Company and groups'],
  ['423315002', 'Company and groups'],
  ['423656007', 'Money'],
]);
